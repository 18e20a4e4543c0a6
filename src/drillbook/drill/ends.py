"""How a scenario ends without a verdict."""

from __future__ import annotations


class Refused(Exception):
    """The scenario was selected and may not, or cannot, run here; nothing was changed."""


class NotSteady(AssertionError):
    """The system was not healthy before the fault, or did not become so after it."""


class TooLittleTraffic(AssertionError):
    """The fault would have hit nobody: what follows would prove nothing."""
