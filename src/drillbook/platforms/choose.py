"""The platform of a system, imported when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..model import CannotObserve, Instance, System, Tls
from .capabilities import Discovers, Missing

if TYPE_CHECKING:
    from .capabilities import Platform


def platform_of(system: System) -> Platform:
    """Return the platform that the environment file names for this system."""
    if system.platform == "process":
        from .process import ProcessPlatform  # noqa: PLC0415 - platforms are loaded when used

        return ProcessPlatform(system)
    if system.platform == "compose":
        from .compose import ComposePlatform  # noqa: PLC0415 - as above

        return ComposePlatform(system)
    if system.platform == "kubernetes":
        from .kubernetes import KubernetesPlatform  # noqa: PLC0415 - as above

        return KubernetesPlatform(system)
    if system.platform == "systemd":
        from .systemd import SystemdPlatform  # noqa: PLC0415 - as above

        return SystemdPlatform(system)
    raise ValueError(f"unknown platform {system.platform!r}")


def discovered(system: System) -> System:
    """Return the system with the instances that its platform has now, where the environment names none.

    Pods come and go, so this is asked at each round. What cannot be listed becomes one hidden instance, so that every
    criterion about instances is UNKNOWN with the reason.
    """
    if not system.discovered:
        return system
    found = platform_of(system).can(Discovers)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(found, Missing):
        return replace(
            system, instances=(Instance("instances", hidden=CannotObserve(found.reason, mend="name the instances")),)
        )
    try:
        return replace(system, instances=tuple(_with_access(system, one) for one in found.discover()))
    except CannotObserve as error:
        return replace(system, instances=(Instance("instances", hidden=error),))


def _with_access(system: System, instance: Instance) -> Instance:
    """Return an instance with how the environment says such are asked; TLS settings mean that it speaks TLS."""
    metrics = system.metrics_access
    return replace(
        instance,
        url=_over_tls(instance.url, system.tls),
        metrics_url=_over_tls(instance.metrics_url, metrics.tls if metrics else system.tls),
        tls=system.tls,
        metrics_access=metrics and replace(metrics, direct=True),
        direct=True,
    )


def _over_tls(url: str | None, tls: Tls | None) -> str | None:
    return url if url is None or tls is None else url.replace("http://", "https://", 1)
