"""Platforms: where components run. Capabilities are asked for, and a missing one says why."""

from .capabilities import InstanceState, Lists, LogText, Missing, Platform, ReadsLogs
from .choose import platform_of

__all__ = ["InstanceState", "Lists", "LogText", "Missing", "Platform", "ReadsLogs", "platform_of"]
