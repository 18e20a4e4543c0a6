"""Platforms: where components run. Capabilities are asked for, and a missing one says why."""

from .capabilities import (
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    Pauses,
    Platform,
    PlatformRefused,
    ReadsLogs,
    RunsOnHost,
    Starts,
    Stopped,
    Stops,
)
from .choose import platform_of

__all__ = [
    "InstanceState",
    "Kills",
    "Lists",
    "LogText",
    "Missing",
    "Pauses",
    "Platform",
    "PlatformRefused",
    "ReadsLogs",
    "RunsOnHost",
    "Starts",
    "Stopped",
    "Stops",
    "platform_of",
]
