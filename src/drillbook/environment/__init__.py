"""TOML in, frozen nouns out: every fact about the place to verify, checked before the first request is sent."""

from .load import Environment, Waiver, known, load, locate, located
from .problems import BadEnvironment

__all__ = ["BadEnvironment", "Environment", "Waiver", "known", "load", "locate", "located"]
