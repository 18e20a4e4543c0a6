"""The two ways in which a verdict ends a test."""

from __future__ import annotations


class NotMet(AssertionError):
    """A criterion that does not hold; the report shows its six lines in the place of a traceback."""


class Unknown(Exception):
    """A criterion about which nothing can be said; an error and no failure."""
