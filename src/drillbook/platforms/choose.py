"""The platform of a system, imported when it is asked for: each is a folder beside this file."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..model import CannotObserve, Component, Instance, Place, System, Tls
from .capabilities import Discovers, Lists, Missing, Platform, PlatformRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..model import Json
    from .border import Border, LabOn


class _PlatformOfSystem(Platform, Protocol):
    """A platform as each of them is written."""

    OFFERS: frozenset[Any]
    """What it has at all; whether this user may, and here, is for ``can`` to say."""

    def __init__(self, system: System) -> None: ...


@cache
def known() -> tuple[str, ...]:
    """Return the names of all platforms."""
    folder = importlib.import_module(__package__)
    return tuple(sorted(found.name for found in pkgutil.iter_modules(folder.__path__) if found.ispkg))


def platform_of(system: System) -> Platform:
    """Return the platform that the environment file names for this system."""
    return _class_of(system.platform)(system)


def offered_by(platform: str) -> frozenset[Any]:
    """Return the capabilities that a platform has where all rights and settings are there; contacts nothing."""
    return _class_of(platform).OFFERS


def sees_from_outside(platform: str) -> bool:
    """Say whether nothing is known of what runs a system: all that can be seen has an address in the file."""
    return Lists not in offered_by(platform)


def border_of(platform: str) -> Border:
    """Return what a platform brings for its table of an environment file."""
    return cast("Border", importlib.import_module(f"{__package__}.{_checked(platform)}.settings").BORDER)


def lab_on(platform: str) -> LabOn | None:
    """Return how the lab of a platform is found; None where there is none."""
    name = f"{__package__}.{_checked(platform)}.lab"
    return cast("LabOn", importlib.import_module(name).LAB) if importlib.util.find_spec(name) else None


def pinned(system: System, instances: Iterable[str] = ()) -> dict[str, Json]:
    """Return a system's place as plain data, from which any process can come back to it.

    Args:
        system: whose.
        instances: those of which these very ones are meant, where the platform can tell them from their successors.

    Raises:
        PlatformRefused: the environment does not say where it is.
        CannotObserve: it cannot be found out.
    """
    settings = system.place.settings
    if settings is None:
        name = system.platform
        raise PlatformRefused(f"{system.name}: the environment has no [{name}] table", hint="say there where it is")
    return {"platform": system.platform, **settings.pinned(tuple(instances))}


def place_at(data: Mapping[str, Json]) -> Place:
    """Return the place that ``pinned`` wrote. Raises BadPlace."""
    from .border import BadPlace, text  # noqa: PLC0415 - only the way back needs it

    platform = text(data, "platform")
    if platform not in known():
        raise BadPlace(f"unknown platform {platform!r}; known: {', '.join(known())}")
    return Place(platform, border_of(platform).read(data))


def _class_of(platform: str) -> type[_PlatformOfSystem]:
    module = importlib.import_module(f"{__package__}.{_checked(platform)}.platform")
    return cast("type[_PlatformOfSystem]", module.PLATFORM)


def _checked(platform: str) -> str:
    if platform not in known():
        raise ValueError(f"unknown platform {platform!r}")
    return platform


def discovered(system: System) -> System:
    """Return the system with the instances that its platform has now, for components of which it names none.

    Pods come and go, so this is asked at each round. What cannot be listed becomes one hidden instance, so that every
    criterion about instances is UNKNOWN with the reason.
    """
    asked = {name: one for name, one in system.components.items() if one.discovered}
    if not asked:
        return system
    found = {name: replace(one, instances=_instances(system, one)) for name, one in asked.items()}
    return replace(system, components={**system.components, **found})


def _instances(system: System, component: Component) -> tuple[Instance, ...]:
    discovers = platform_of(system).can(Discovers)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(discovers, Missing):
        return (_hidden(system, component, CannotObserve(discovers.reason, hint="name the instances")),)
    try:
        return tuple(_with_access(component, one) for one in discovers.discover(component))
    except CannotObserve as error:
        return (_hidden(system, component, error),)


def _hidden(system: System, component: Component, why: CannotObserve) -> Instance:
    name = "instances" if component.name == system.main else f"instances of {component.name}"
    return Instance(name, hidden=why)


def _with_access(component: Component, instance: Instance) -> Instance:
    """Return an instance with how the environment says such are asked; TLS settings mean that it speaks TLS."""
    metrics, tls = component.metrics_access, component.access.tls
    return replace(
        instance,
        url=_over_tls(instance.url, tls),
        metrics_url=_over_tls(instance.metrics_url, metrics.tls if metrics else tls),
        headers=component.access.headers,
        tls=tls,
        metrics_access=metrics and replace(metrics, direct=True),
        direct=True,
    )


def _over_tls(url: str | None, tls: Tls | None) -> str | None:
    return url if url is None or tls is None else url.replace("http://", "https://", 1)
