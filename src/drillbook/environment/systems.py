"""One system of an environment file: its components, each by the table of its kind, and its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from .. import catalogue, kinds, platforms
from ..model import Component, Instance, Place, Preflight, System
from ..tables import ComponentTable, HttpTable, PageTable, Strict, nearest
from ..tables.access import access, tls_above, unused_tls
from ..tables.problems import from_validation

if TYPE_CHECKING:
    from ..model import Access
    from ..tables import Resolver
    from .settings import EnvironmentFile, SystemSettings

M = TypeVar("M", bound=Strict)
MAIN = "api"
"""The component that users come to."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What platforms and kinds have read of a file."""

    components: Mapping[str, Mapping[str, ComponentTable]]
    """By system and component."""
    places: Mapping[str, Strict | None]
    """By system; None where the file says nothing to the platform."""
    problems: tuple[str, ...]
    platform: str


def tables_of(file: EnvironmentFile, of_platform: Mapping[str, Any]) -> Tables:
    """Hold each component by the table of its kind, and each system's place by that of the platform.

    Args:
        file: the file without the platform's tables.
        of_platform: these, by system; None where there is none.
    """
    problems: list[str] = []
    components = {
        name: _components(settings.components, f"systems.{name}.components", problems)
        for name, settings in file.systems.items()
    }
    of_labs = file.lab.systems if file.lab else ()
    places = {
        name: _place(of_platform.get(name), name, file.platform, problems, by_lab=name in of_labs)
        for name in file.systems
    }
    return Tables(components, places, tuple(problems), file.platform)


def _components(parts: Mapping[str, dict[str, Any]], key: str, problems: list[str]) -> dict[str, ComponentTable]:
    held = ((name, _component(table, f"{key}.{name}", problems)) for name, table in parts.items())
    return {name: table for name, table in held if table is not None}


def _component(table: dict[str, Any], key: str, problems: list[str]) -> ComponentTable | None:
    name = table.get("kind", "http")
    try:
        kind = kinds.find(str(name))
    except kinds.UnknownKind:
        known = sorted(kinds.known())
        problems.append(f"{key}.kind: expected one of {', '.join(known)}, found {name!r}{nearest(str(name), known)}")
        return None
    return _held(kind.table, table, key, problems)


def _place(table: Any, system: str, platform: str, problems: list[str], *, by_lab: bool) -> Strict | None:
    """Return the platform's table of a system, None where it is missing or a lab is still to bring it."""
    border, key = platforms.border_of(platform), f"systems.{system}.{platform}"
    if table is not None:
        return _held(border.table, table, key, problems)
    if not border.needs_table:
        return _held(border.table, {}, key, problems)
    if not by_lab:
        problems.append(f"{key}: missing; it says where the system is, here or as [{platform}] for all of the file")
    return None


def unknown_in(table: dict[str, Any], platform: str) -> list[str]:
    """Return what is wrong with the file's own table of its platform, which the systems of labs are to stand above."""
    problems: list[str] = []
    _held(platforms.border_of(platform).table, table, platform, problems)
    return [problem for problem in problems if ": missing;" not in problem]


def _held(model: type[M], table: Any, key: str, problems: list[str]) -> M | None:
    """Return the table as its model, or None with the problems noted."""
    try:
        found: M = model.model_validate(table)
    except ValidationError as error:
        problems += [f"{key}.{line}".replace(f"{key}.:", f"{key}:") for line in from_validation(error, model)]
        return None
    return found


def system_of(name: str, settings: SystemSettings, file: EnvironmentFile, tables: Tables, resolver: Resolver) -> System:
    """Return a system; problems are noted in the resolver."""
    place = _place_of(name, tables, resolver)
    parts = tables.components[name]
    discovers = place.settings is not None and platforms.Discovers in platforms.offered_by(file.platform)
    components = {
        part: _noun(part, table, f"systems.{name}.components.{part}", resolver, discovers=discovers)
        for part, table in parts.items()
    }
    main = components.get(MAIN)
    limit = None if main is None else main.access.max_rps
    return System(
        name=name,
        place=place,
        components=components,
        main=MAIN,
        absent=frozenset(settings.absent),
        data_dir=settings.data_dir or Path(catalogue.parts(name).data_dir or "/var/lib"),
        preflight=Preflight(
            ports=settings.preflight.ports,
            resolve=settings.preflight.resolve,
            external_url=settings.preflight.external_url,
        ),
        bad_after_ms=settings.bad_after_ms,
        scratch_namespace=settings.mutations.namespace if settings.mutations.allowed else None,
        load_max_rps=min(file.load.max_rps, limit or file.load.max_rps) if file.load else None,
    )


def _place_of(name: str, tables: Tables, resolver: Resolver) -> Place:
    table, platform = tables.places[name], tables.platform
    if table is None:
        return Place(platform)
    return Place(platform, platforms.border_of(platform).settings(table, resolver, f"systems.{name}.{platform}"))


def _noun(name: str, table: ComponentTable, key: str, resolver: Resolver, *, discovers: bool) -> Component:
    """Return a component as its table describes it."""
    kind = kinds.find(table.kind)
    if isinstance(table, PageTable):
        asked = replace(access(table, resolver, key), key=key)
        return Component(name, table.kind, table.url, asked, table.through, settings=table)
    if not isinstance(table, HttpTable):
        url = resolver.address(getattr(table, "url", None), f"{key}.url", kind.unusable)
        return Component(name, table.kind, url, through=table.through, settings=table)
    asked = replace(access(table, resolver, key), key=None if name == MAIN else key)
    page = None if table.metrics_access is None else access(table.metrics_access, resolver, f"{key}.metrics_access")
    found = Component(
        name,
        table.kind,
        table.url,
        asked,
        table.through,
        _instances(table, asked, page, resolver, key),
        discovered=discovers and not table.instances and bool(table.ports.get("http")),
        ports={str(name): port for name, port in table.ports.items()},
        metrics_url=table.metrics,
        metrics_access=page,
        log=table.log,
        settings=table,
    )
    alone = found.entry if not found.instances and not found.discovered else None
    return found if alone is None else replace(found, instances=(alone,))


def _instances(
    table: HttpTable, asked: Access, page: Access | None, resolver: Resolver, key: str
) -> tuple[Instance, ...]:
    """Return the instances that are named."""
    found: list[Instance] = []
    for one in table.instances:
        tls, metrics = asked.tls, page
        if one.tls is not None:
            where = f"{key}.instances.{one.name}.tls"
            tls = tls_above(one.tls, table.tls, resolver, where)
            if table.metrics_access is not None and page is not None:
                metrics = replace(page, tls=tls_above(one.tls, table.metrics_access.tls, resolver, where))
        found.append(Instance(one.name, one.url, one.metrics, one.log, asked.headers, tls=tls, metrics_access=metrics))
    return tuple(found)


def unused_tls_in(tables: Tables) -> list[str]:
    """Name TLS settings that no address uses."""
    problems: list[str] = []
    for system, components in tables.components.items():
        for name, table in components.items():
            key = f"systems.{system}.components.{name}"
            if isinstance(table, HttpTable):
                problems += _unused(table, key)
            elif isinstance(table, PageTable):
                problems += unused_tls(table.tls, [table.url], key)
    return problems


def _unused(table: HttpTable, key: str) -> list[str]:
    problems: list[str] = []
    pages = [table.metrics, *(one.metrics for one in table.instances)]
    if table.instances or not table.ports:  # else the platform says where its instances are
        problems += unused_tls(table.tls, [table.url, *(one.url for one in table.instances), *pages], key)
        page = table.metrics_access
        problems += unused_tls(page.tls if page else None, pages, f"{key}.metrics_access")
    for one in table.instances:
        problems += unused_tls(one.tls, [one.url, one.metrics], f"{key}.instances.{one.name}")
    return problems
