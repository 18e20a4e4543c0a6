"""Drillbook: runbook sentences as checks, scenarios, drills and load profiles against live environments."""

__version__ = "0.1.0"
