"""Scenarios: faults under traffic, with steady state before and after."""
