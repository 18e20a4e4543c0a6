"""Drillbook's own tests."""
