"""What a lab tells its user when it cannot go on."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; the text says what was expected, what was found and what to do."""
