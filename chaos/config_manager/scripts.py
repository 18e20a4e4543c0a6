"""Config Manager's scenarios as declarations: the same on every platform that has the capability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drillbook.drill.scenario import Script
from drillbook.drill.traffic import TrafficPlan
from drillbook.faults import KillInstance, StopInstance, kill_component, stop_component
from drillbook.traffic.service import Call, KeyedApi

from .criteria import CACHE_LOSS, CRASH, FULL_RESTART, GRACEFUL_STOP, STEADY, STOP_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drillbook.faults import Fault
    from drillbook.model import System

SYSTEM = "config-manager"


def configs_api(namespace: str) -> KeyedApi:
    """Return the configs API in one namespace."""
    path = f"/api/v1/configs/{namespace}/{{key}}"
    read = f"{path}?env=production"
    return KeyedApi(
        write=Call("POST", path, (200, 201), body='{"value": "{value}", "env": "production", "user": "drillbook"}'),
        read=Call("GET", read, (200,), absent=(404,)),
        delete=Call("DELETE", read, (200, 204), absent=(404,)),
    )


TRAFFIC = TrafficPlan(api=configs_api)


def _first_instance(system: System) -> str:
    return system.instances[0].name


def _stop_one(system: System) -> Sequence[Fault]:
    return (StopInstance.of(system, _first_instance(system), grace_s=STOP_LIMIT_S),)


def _kill_one(system: System) -> Sequence[Fault]:
    return (KillInstance.of(system, _first_instance(system)),)


def _kill_cache(system: System) -> Sequence[Fault]:
    return (kill_component(system, "redis"),)


def everything(system: System) -> tuple[str, ...]:
    """Return the components top-down: the API before what it stands on (runbook defects CM-01, CM-02)."""
    return tuple(name for name in ("api", "redis", "postgres") if name not in system.absent)


def _stop_everything(system: System) -> Sequence[Fault]:
    return tuple(stop_component(system, name, grace_s=STOP_LIMIT_S) for name in everything(system))


GRACEFUL = Script(SYSTEM, _stop_one, TRAFFIC, STEADY, GRACEFUL_STOP)
SIGKILL = Script(SYSTEM, _kill_one, TRAFFIC, STEADY, CRASH)
LOST_CACHE = Script(SYSTEM, _kill_cache, TRAFFIC, STEADY, CACHE_LOSS, disturbs=("redis",))
RESTART_ALL = Script(
    SYSTEM, _stop_everything, TRAFFIC, STEADY, FULL_RESTART, objective="full-restart", outage_expected=True
)
