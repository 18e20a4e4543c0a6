"""Drills: scenarios with a stopwatch and objectives."""
