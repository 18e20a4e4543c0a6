"""TOML in, frozen nouns out: every fact about the place to verify, checked before the first request is sent."""

from ..tables import BadEnvironment
from .load import Environment, Waiver, known, load, locate, located

__all__ = ["BadEnvironment", "Environment", "Waiver", "known", "load", "locate", "located"]
