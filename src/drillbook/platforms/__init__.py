"""Platforms: where components run. Capabilities are asked for, and a missing one says why."""

from .capabilities import (
    Discovers,
    InstanceState,
    Kills,
    Lists,
    LogText,
    Missing,
    Pauses,
    Platform,
    PlatformRefused,
    Reaches,
    ReadsLogs,
    RollsOut,
    Scales,
    Starts,
    Stopped,
    Stops,
)
from .choose import discovered, platform_of

__all__ = [
    "Discovers",
    "InstanceState",
    "Kills",
    "Lists",
    "LogText",
    "Missing",
    "Pauses",
    "Platform",
    "PlatformRefused",
    "Reaches",
    "ReadsLogs",
    "RollsOut",
    "Scales",
    "Starts",
    "Stopped",
    "Stops",
    "discovered",
    "platform_of",
]
