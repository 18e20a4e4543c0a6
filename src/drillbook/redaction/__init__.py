"""What may be seen of a text: secrets become ``***``, and nothing in it can move a reader's cursor."""

from __future__ import annotations

from .redactor import MASK, Redactor
from .visible import plain_output, visible

__all__ = ["MASK", "Redactor", "plain_output", "visible"]
