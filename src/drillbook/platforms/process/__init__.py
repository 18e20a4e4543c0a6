"""Ordinary processes of this machine."""
