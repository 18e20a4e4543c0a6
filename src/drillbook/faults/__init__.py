"""Harm that can be undone: written down before it is done, proved, and undone whatever becomes of the runner."""

from .abort import AbortWatch, Condition, over
from .blast import Blast
from .claims.places import Spot, spot_of
from .claims.records import Held, LeftBehind, Leftover, leftovers
from .families.kill import KillInstance
from .families.kill_component import kill_component
from .families.pause import PauseInstance
from .families.stop import StopInstance
from .families.stop_component import stop_component
from .guard import Refusal, not_asked_for, permit, permit_each, permit_load
from .interrupts import INTERRUPTS, Interrupts
from .lifecycle import (
    Aborted,
    DidNotBite,
    Fault,
    IllegalUse,
    Injection,
    Limits,
    NotRecorded,
    NotRecovered,
    State,
)
from .session import FaultSession, NotPermitted
from .undo import NotUndone, Undo, WatchdogDied
from .watchdog.handle import Timing, Watchdog

__all__ = [
    "INTERRUPTS",
    "AbortWatch",
    "Aborted",
    "Blast",
    "Condition",
    "DidNotBite",
    "Fault",
    "FaultSession",
    "Held",
    "IllegalUse",
    "Injection",
    "Interrupts",
    "KillInstance",
    "LeftBehind",
    "Leftover",
    "Limits",
    "NotPermitted",
    "NotRecorded",
    "NotRecovered",
    "NotUndone",
    "PauseInstance",
    "Refusal",
    "Spot",
    "State",
    "StopInstance",
    "Timing",
    "Undo",
    "Watchdog",
    "WatchdogDied",
    "kill_component",
    "leftovers",
    "not_asked_for",
    "over",
    "permit",
    "permit_each",
    "permit_load",
    "spot_of",
    "stop_component",
]
