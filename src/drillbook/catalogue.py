"""The runbooks' statements: one TOML file an area in ``runbooks/<system>/``, read when an id of it is asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from . import carried

_OTHERS = ("defects", "system")
"""Files of a system's folder that hold no statements."""
SYSTEMS = ("config-manager", "data-vault", "research-lab", "conduit")


class UnknownId(KeyError):
    """An id that no runbook has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a runbook."""

    id: str
    runbook: str
    heading: str
    kind: str
    use: str
    """What holds it in Drillbook: check, chaos, drill, load or report."""
    platforms: tuple[str, ...]
    statement: str
    human: bool = False
    same_as: str | None = None
    defects: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    """The components, beside the service itself, without which it says nothing."""

    @property
    def full_heading(self) -> str:
        """Where it stands: ``Runbook > Section``."""
        return f"{self.runbook} > {self.heading}"


@dataclass(frozen=True, slots=True)
class OptionalPart:
    """A component that an installation may do without."""

    says: str
    """The id of the statement that allows it."""
    known_as: tuple[str, ...]
    """Words by which others name the component."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a system's own file says of its components."""

    health: str | None = None
    """The path of the document whose ``checks`` tell what the service depends on; None where there is none."""
    optional: Mapping[str, OptionalPart] = field(default_factory=dict)
    """By component."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of each component that the statements look at."""
    data_dir: str | None = None
    """Whose disk a deploy needs room on; None where the runbook names none."""


@dataclass(frozen=True, slots=True)
class Defect:
    """A place where a runbook's own command is wrong, and the correct operation."""

    id: str
    heading: str
    severity: str
    problem: str
    correct: str
    entries: tuple[str, ...]


def entry(statement_id: str) -> Entry:
    """Return the statement with this id (``system.area.name``). Raises UnknownId."""
    system, _, rest = statement_id.partition(".")
    try:
        return _area(system, rest.partition(".")[0])[statement_id]
    except (KeyError, OSError, ValueError):  # a part of it that cannot be a file's name
        raise UnknownId(statement_id) from None


def knows(statement_id: str) -> bool:
    """Say whether a runbook has this statement."""
    try:
        entry(statement_id)
    except UnknownId:
        return False
    return True


def entries(system: str) -> tuple[Entry, ...]:
    """Return all statements of a system, by area and then in the runbook's order."""
    folder = carried.root() / "runbooks" / system
    areas = sorted(path.stem for path in folder.glob("*.toml") if path.stem not in _OTHERS)
    return tuple(found for area in areas for found in _area(system, area).values())


@cache
def parts(system: str) -> Parts:
    """Return what a system's own file says of its components; a system without one has none that is optional."""
    path = carried.root() / "runbooks" / system / "system.toml"
    if not path.is_file():
        return Parts()
    raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    return Parts(
        raw.get("health"),
        {name: OptionalPart(**_tuples(row)) for name, row in raw.get("optional", {}).items()},
        raw.get("kinds", {}),
        raw.get("data_dir"),
    )


@cache
def defects(system: str) -> dict[str, Defect]:
    """Return the known defects of a system's runbooks by id."""
    path = carried.root() / "runbooks" / system / "defects.toml"
    raw: dict[str, dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))
    return {name: Defect(id=name, **_tuples(row)) for name, row in raw.items()}


@cache
def _area(system: str, area: str) -> dict[str, Entry]:
    path = carried.root() / "runbooks" / system / f"{area}.toml"
    raw: dict[str, dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))
    return {name: Entry(id=name, **_tuples(row)) for name, row in raw.items()}


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
