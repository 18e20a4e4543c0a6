"""Platforms: where components run. Capabilities are asked for, and a missing one says why."""

from .capabilities import (
    BearsMarks,
    Executed,
    Executes,
    InstanceState,
    Kills,
    Lists,
    Locates,
    LogText,
    Missing,
    Pauses,
    Platform,
    PlatformRefused,
    ReadsLogs,
    Starts,
    Stopped,
    Stops,
)
from .choose import located, platform_of

__all__ = [
    "BearsMarks",
    "Executed",
    "Executes",
    "InstanceState",
    "Kills",
    "Lists",
    "Locates",
    "LogText",
    "Missing",
    "Pauses",
    "Platform",
    "PlatformRefused",
    "ReadsLogs",
    "Starts",
    "Stopped",
    "Stops",
    "located",
    "platform_of",
]
