"""Things that must differ: two replicas with one address are one that is looked at twice, and one that never is."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, TypeVar

from .. import addresses, kinds, platforms
from ..tables import HttpTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ..tables import InstanceTable
    from .systems import Tables

T = TypeVar("T")
_RESERVED = {"entry": "the address by which users come in", "scenario": "what a scenario saw"}
"""Names that reports and faults give to something else; an instance of that name would hide it, or be hidden."""
_PORTS = {"http": 80, "https": 443}


def not_apart(tables: Tables) -> list[str]:
    """Name what two replicas or components share and must not, with its key and the key that has it already."""
    problems: list[str] = []
    for system, components in tables.components.items():
        taken = _RESERVED | {name: kinds.find(one.kind).stands_for for name, one in components.items()}
        for name, table in components.items():
            if isinstance(table, HttpTable):
                others = {other: what for other, what in taken.items() if other != name}
                problems += _instances(table, f"systems.{system}.components.{name}", others)
        place = tables.places[system]
        if place is not None:
            rows = platforms.border_of(tables.platform).twice(place, f"systems.{system}.{tables.platform}")
            problems += _twice(rows, str, "of its own for each component")
    return problems


def _instances(table: HttpTable, key: str, taken: Mapping[str, str]) -> list[str]:
    key = f"{key}.instances"
    problems = _names(table.instances, key, taken)
    for field, same in (("url", _address), ("metrics", _address), ("log", _file)):
        rows = [(f"{key}.{at}.{field}", getattr(one, field)) for at, one in enumerate(table.instances)]
        problems += _twice(rows, same, "of its own for each instance")
    return problems


def _names(instances: Iterable[InstanceTable], key: str, taken: Mapping[str, str]) -> list[str]:
    """Name instances that are called as something else is, or as another but for case and blanks."""
    problems: list[str] = []
    before: dict[str, str] = {}
    for at, one in enumerate(instances):
        plain = one.name.strip().casefold()
        if plain in taken:
            problems.append(
                f"{key}.{at}.name: expected another name than {plain}, which stands for {taken[plain]},"
                f' found "{one.name}"'
            )
        elif before.setdefault(plain, one.name) != one.name:
            problems.append(
                f"{key}.{at}.name: expected a name that differs by more than case and blanks"
                f' from "{before[plain]}", found "{one.name}"'
            )
    return problems


def _twice(rows: Iterable[tuple[str, T | None]], same: Callable[[T], str], wanted: str) -> list[str]:
    """Name each value that stands for the same as one before it."""
    problems: list[str] = []
    first: dict[str, str] = {}
    for key, value in rows:
        if value is not None and first.setdefault(same(value), key) != key:
            what = key.rpartition(".")[2] if key.endswith(("url", "metrics", "log")) else "value"
            problems.append(f"{key}: expected a {what} {wanted}, found {value}, as {first[same(value)]} has it")
    return problems


def _address(url: str) -> str:
    """Return where an address leads: host and port without their many spellings, and the path."""
    parts = addresses.parse(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return f"{_host(parts.host)}:{port}{parts.path.rstrip('/')}?{parts.query}"


def _host(name: str) -> str:
    if name == "localhost":
        return "127.0.0.1"
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".")
    return str(getattr(found, "ipv4_mapped", None) or found)


def _file(path: Path) -> str:
    return os.path.realpath(path)
