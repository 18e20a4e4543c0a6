"""Probes read facts once and judge nothing. One file a family; import the family that you need."""
