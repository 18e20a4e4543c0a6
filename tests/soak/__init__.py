"""Storms: a drill that is hit at a moment of its journal, round after round, and what is left of it."""
