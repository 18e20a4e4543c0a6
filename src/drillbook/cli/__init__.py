"""``drillbook``: the gate in any directory, the lab, and what runs have left."""

from .main import main

__all__ = ["main"]
