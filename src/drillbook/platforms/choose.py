"""The platform of a system, imported when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from ..model import CannotObserve, Instance, System, Tls
from .capabilities import Discovers, Lists, Missing, Platform


class _PlatformOfSystem(Platform, Protocol):
    """A platform as each of them is written."""

    OFFERS: frozenset[Any]
    """What it has at all; whether this user may, and here, is for ``can`` to say."""

    def __init__(self, system: System) -> None: ...


PLATFORMS = ("process", "compose", "systemd", "kubernetes", "address")


def platform_of(system: System) -> Platform:
    """Return the platform that the environment file names for this system."""
    return _class_of(system.platform)(system)


def offered_by(platform: str) -> frozenset[Any]:
    """Return the capabilities that a platform has where all rights and settings are there; contacts nothing."""
    return _class_of(platform).OFFERS


def sees_from_outside(platform: str) -> bool:
    """Say whether nothing is known of what runs a system: all that can be seen has an address in the file."""
    return Lists not in offered_by(platform)


def _class_of(platform: str) -> type[_PlatformOfSystem]:
    if platform == "process":
        from .process.keeper import ProcessPlatform  # noqa: PLC0415 - platforms are loaded when used

        return ProcessPlatform
    if platform == "compose":
        from .compose.platform import ComposePlatform  # noqa: PLC0415 - as above

        return ComposePlatform
    if platform == "kubernetes":
        from .kubernetes import KubernetesPlatform  # noqa: PLC0415 - as above

        return KubernetesPlatform
    if platform == "systemd":
        from .systemd.platform import SystemdPlatform  # noqa: PLC0415 - as above

        return SystemdPlatform
    if platform == "address":
        from .address.platform import AddressPlatform  # noqa: PLC0415 - as above

        return AddressPlatform
    raise ValueError(f"unknown platform {platform!r}")


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
            system, instances=(Instance("instances", hidden=CannotObserve(found.reason, hint="name the instances")),)
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
