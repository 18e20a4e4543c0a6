"""Scenarios and drills: steady state, fault under traffic, recovery, and what clients saw of it."""
