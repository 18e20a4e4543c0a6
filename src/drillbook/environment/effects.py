"""Keys that would be without effect, and components that no statement would find: told, never passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import catalogue, platforms
from ..tables import HttpTable
from .systems import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..tables import ComponentTable
    from .systems import Tables


def without_effect(tables: Tables) -> list[str]:
    """Name what stands in a file and would not be looked at, each with its key and where it belongs."""
    discovers = platforms.Discovers in platforms.offered_by(tables.platform)
    problems: list[str] = []
    for system, components in tables.components.items():
        key = f"systems.{system}.components"
        problems += _misnamed(system, components, key)
        for name, table in components.items():
            if isinstance(table, HttpTable):
                problems += _unread(table, f"{key}.{name}", discovers=discovers)
                if discovers and name == MAIN and tables.places[system] is not None and not table.instances:
                    problems += _unlisted(table, f"{key}.{name}")
    return problems


def _misnamed(system: str, components: Mapping[str, ComponentTable], key: str) -> Iterator[str]:
    """Name components that the statements look for under another name, or as another kind."""
    known = catalogue.parts(system).kinds
    for name, table in components.items():
        if name in known and known[name] != table.kind:
            said = f'expected "{known[name]}", as the statements of {system} look at it; found "{table.kind}"'
            yield f"{key}.{name}.kind: {said}"
        meant = [one for one, kind in known.items() if kind == table.kind and one not in components]
        if name not in known and meant:
            yield (
                f"{key}.{name}: expected a component of kind {table.kind} to be called {' or '.join(meant)}, "
                f"where the statements of {system} look; found {name}"
            )


def _unread(table: HttpTable, key: str, *, discovers: bool) -> Iterator[str]:
    """Name keys of a component that nobody would read."""
    for name in ("metrics", "log"):
        if table.instances and getattr(table, name) is not None:
            yield f"{key}.{name}: expected it at each of the instances, where they are named; found it beside them"
    if table.ports and (table.instances or not discovers):
        why = "beside instances that are named" if table.instances else "where the platform is asked for none"
        yield f"{key}.ports: expected no ports {why}; an instance says its url and metrics"
    elif table.ports and "http" not in table.ports:
        yield f"{key}.ports.http: missing; without it no instance is looked at"
    if table.through != "direct":
        yield f"{key}.through: expected no way through the platform; its instances are reached by it anyway"


def _unlisted(table: HttpTable, key: str) -> Iterator[str]:
    """Say where only the address of users would be looked at, and none of the replicas behind it."""
    if not table.ports:
        yield f"{key}.ports: missing; it says where the replicas listen, like {{ http = 8080, metrics = 9090 }}"
