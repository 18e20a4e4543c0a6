"""Finds an environment file by name or path, checks all of it, and turns it into nouns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .. import carried, catalogue, outbound, platforms
from ..model import Facts, Objective
from ..tables import BadEnvironment, Resolver, nearest
from ..tables.problems import from_validation
from .absent import not_absent
from .apart import not_apart
from .effects import without_effect
from .outside import not_from_outside
from .settings import DisruptionSettings, EnvironmentFile, LoadSettings
from .systems import Tables, system_of, tables_of, unknown_in, unused_tls_in

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from ..model import System
    from ..redaction import Redactor
    from .settings import SystemSettings

_FROM_LABS = ("systems", "disruption")
"""The tables that the file of a running lab may fill in."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A criterion of one system that may fail until a day, and who answers for it."""

    system: str
    id: str
    reason: str
    owner: str
    expires: dt.date


@dataclass(frozen=True, slots=True)
class Environment:
    """A named place to verify."""

    name: str
    path: Path
    platform: str
    systems: dict[str, System]
    facts: dict[str, Facts]
    """What judging may know, by system."""
    lab_systems: tuple[str, ...]
    waivers: tuple[Waiver, ...]
    disruption: DisruptionSettings
    load: LoadSettings | None
    redactor: Redactor


def known() -> dict[str, Path]:
    """Return the environments that a name can mean: ``environments/`` here, then those that Drillbook carries."""
    found: dict[str, Path] = {}
    for folder in (Path.cwd() / "environments", carried.root() / "environments"):
        for path in sorted(folder.glob("*.toml")):
            if not path.name.endswith(".example.toml"):
                found.setdefault(path.stem, path)
    return found


def locate(name: str) -> Path:
    """Return the file for ``--env NAME`` or ``--env path/to/file.toml``. Raises BadEnvironment listing the known."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise BadEnvironment(name, ["no such file"])
        return path.resolve()
    names = known()
    if name not in names and Path(name).is_file():
        raise BadEnvironment(f"--env {name}", ["expected a TOML file, whose name ends with .toml; rename it"])
    if name not in names:
        listed = ", ".join(names) or "none"
        raise BadEnvironment(
            f"--env {name}",
            [f"unknown environment{nearest(name, names)}; known: {listed}; or give the path of its TOML file"],
        )
    return names[name]


def load(
    path: Path,
    *,
    lab_environments: Iterable[Path] = (),
    expect_version: str | None = None,
) -> Environment:
    """Read and check an environment file.

    Args:
        path: the TOML file.
        lab_environments: the files of running labs, whose systems fill in what this file leaves out.
        expect_version: overrides the version of every system (``--expect-version``).

    Raises:
        BadEnvironment: with every problem found, before anything is contacted.
    """
    labs = _labs_below([_read(one) for one in lab_environments])
    given = _read(path)
    raw = _spread(given, labs.get("systems", {}))
    for table, below in labs.items():
        raw = {**raw, table: _merged(below, raw.get(table, {}))}
    file, tables = _checked(raw, path)
    if not file.systems and isinstance(shared := given.get(file.platform), dict):
        wrong = unknown_in(shared, file.platform)
        if wrong:
            raise BadEnvironment(path, wrong)
    resolver = Resolver(path.parent)
    for proxy in outbound.proxies():
        for text in (proxy.password, *proxy.headers.values()):
            resolver.hide(text.removeprefix("Basic "), "proxy")
    problems = [
        *_unknown_names(file),
        *tables.problems,
        *unused_tls_in(tables),
        *not_apart(tables),
        *without_effect(tables),
        *not_from_outside(file, tables),
        *not_absent(file),
    ]
    waivers = _waivers(file, problems)
    systems = {name: system_of(name, settings, file, tables, resolver) for name, settings in file.systems.items()}
    facts = {name: _facts(name, settings, file, resolver, expect_version) for name, settings in file.systems.items()}
    if problems or resolver.problems:
        raise BadEnvironment(path, problems + resolver.problems)
    return Environment(
        name=file.name,
        path=path,
        platform=file.platform,
        systems=systems,
        facts=facts,
        lab_systems=tuple(dict.fromkeys(file.lab.systems)) if file.lab else (),
        waivers=waivers,
        disruption=file.disruption,
        load=file.load,
        redactor=resolver.redactor(),
    )


def located(environment: Environment) -> Environment:
    """Ask the platforms where the instances are now, for components whose table names none."""
    systems = {name: platforms.discovered(system) for name, system in environment.systems.items()}
    return replace(environment, systems=systems)


def _spread(raw: dict[str, Any], of_labs: Iterable[str]) -> dict[str, Any]:
    """Return the file with its platform's table in each of its systems: a system's own keys stand above the file's.

    Args:
        raw: the file.
        of_labs: the systems that labs bring; what the file says for all its systems stands above what they bring.
    """
    platform, systems = raw.get("platform"), raw.get("systems", {})
    if not isinstance(platform, str) or not isinstance(systems, dict) or not isinstance(raw.get(platform), dict):
        return raw
    shared = raw[platform]
    names = {**{name: {} for name in of_labs}, **systems}
    spread = {
        name: {**one, platform: _above(shared, one.get(platform, {}))} if isinstance(one, dict) else one
        for name, one in names.items()
    }
    return {**{key: value for key, value in raw.items() if key != platform}, "systems": spread}


def _checked(raw: dict[str, Any], path: Path) -> tuple[EnvironmentFile, Tables]:
    """Return the file, and the tables that platforms and kinds hold. Raises BadEnvironment."""
    ours, of_platform = _parted(raw)
    try:
        file = EnvironmentFile.model_validate(ours)
    except ValidationError as error:
        raise BadEnvironment(path, from_validation(error, EnvironmentFile)) from None
    known = platforms.known()
    if file.platform not in known:
        said = f'expected one of {", ".join(known)}, found "{file.platform}"{nearest(file.platform, known)}'
        raise BadEnvironment(path, [f"platform: {said}"])
    return file, tables_of(file, of_platform)


def _parted(raw: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the file without its platform's tables, and these by system."""
    platform, systems = raw.get("platform"), raw.get("systems")
    if not isinstance(platform, str) or not isinstance(systems, dict):
        return raw, {}
    plain = {
        name: {key: value for key, value in one.items() if key != platform} if isinstance(one, dict) else one
        for name, one in systems.items()
    }
    tables = {name: one.get(platform) for name, one in systems.items() if isinstance(one, dict)}
    return {**raw, "systems": plain}, tables


def _facts(
    name: str, settings: SystemSettings, file: EnvironmentFile, resolver: Resolver, expect_version: str | None
) -> Facts:
    objectives = {key: Objective(one.rto_s, one.rpo_s) for key, one in settings.objectives.items()}
    default = objectives.pop("*", Objective())
    return Facts(
        platform=file.platform,
        expected_version=expect_version or resolver.plain(settings.version, f"systems.{name}.version"),
        clock_skew_s=file.clock_skew_s,
        rto_objective_s=default.rto_s,
        rpo_objective_s=default.rpo_s,
        objectives=objectives,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadEnvironment(path, [f"not TOML: {error}"]) from None
    except UnicodeDecodeError:
        raise BadEnvironment(path, ["not UTF-8 text"]) from None
    except OSError as error:
        raise BadEnvironment(path, [f"cannot be read: {error.strerror}"]) from None


def _labs_below(labs: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the tables that running labs bring to a file: each its own systems, and what may be done to them."""
    found: dict[str, dict[str, Any]] = {}
    for lab in labs:
        platform = lab.get("platform", "")
        for table in _FROM_LABS:
            found.setdefault(table, {}).update(lab.get(table, {}))
        if platform in lab:  # of this lab's systems alone
            for name in lab.get("systems", {}):
                found["systems"][name] = {platform: lab[platform], **found["systems"][name]}
    return found


def _above(shared: dict[str, Any], own: Any) -> Any:
    return _merged(shared, own) if isinstance(own, dict) else own


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables; where both have a key, tables merge and anything else is taken from above."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _unknown_names(file: EnvironmentFile) -> list[str]:
    """Name systems and waived ids that no runbook knows."""
    problems = [
        f"{where}: unknown system{nearest(name, catalogue.SYSTEMS)}; known: {', '.join(catalogue.SYSTEMS)}"
        for where, name in [(f"systems.{name}", name) for name in file.systems]
        + [("lab.systems", name) for name in (file.lab.systems if file.lab else ())]
        if name not in catalogue.SYSTEMS
    ]
    labs = [name for name in catalogue.SYSTEMS if carried.has_lab(name)]
    for index, name in enumerate(file.lab.systems if file.lab else ()):
        if name in catalogue.SYSTEMS and name not in labs:
            problems.append(
                f'lab.systems.{index}: expected a system that has a lab ({", ".join(labs)}), found "{name}"'
            )
    for index, waiver in enumerate(file.waivers):
        try:
            catalogue.entry(waiver.id)
        except catalogue.UnknownId:
            ids = [found.id for system in catalogue.SYSTEMS for found in catalogue.entries(system)]
            problems.append(f'waivers.{index}.id: no statement has the id "{waiver.id}"{nearest(waiver.id, ids)}')
    return problems


def _waivers(file: EnvironmentFile, problems: list[str]) -> tuple[Waiver, ...]:
    """Return the waivers, each with its system; one that could be meant for several systems is a problem."""
    here = sorted({*file.systems, *(file.lab.systems if file.lab else ())})
    found: list[Waiver] = []
    for index, row in enumerate(file.waivers):
        system = here[0] if row.system is None and len(here) == 1 else row.system
        if system in here:
            found.append(Waiver(system, row.id, row.reason, row.owner, row.expires))
            continue
        named = "none" if system is None else f'"{system}"{nearest(system, here)}'
        expected = f"one of this file's systems: {', '.join(here)}" if here else "a system, and this file has none"
        problems.append(f"waivers.{index}.system: expected {expected}; found {named}")
    return tuple(found)
