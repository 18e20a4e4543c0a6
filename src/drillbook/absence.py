"""Components that an environment declares absent, and signs that one is there all the same.

A declaration must not hide a dead dependency. The service's own health document and the platform's list are read by
most runs anyway; whatever names an absent component there makes the statements about it UNKNOWN.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import catalogue
from .probes.components import Components, Listing
from .probes.http import Answer, Get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .model import Observation, Probe, System
    from .observations import Key

_WELL = frozenset({None, "healthy", "ok", "up", "pass"})
_WORD = re.compile(r"[a-z0-9]+")


def witnesses(system: System) -> tuple[Probe[Any], ...]:
    """Return what would show an absent component of a system; nothing where all are there."""
    if not system.absent:
        return ()
    health = catalogue.parts(system.name).health
    found: tuple[Probe[Any], ...] = (Components(), *((Get(health),) if health else ()))
    return tuple(probe for probe in found if probe.blind(system) is None)


def seen_all_the_same(system: System, seen: Mapping[Key, Observation]) -> dict[str, str]:
    """Return the components that are declared absent and were seen, each with where.

    Args:
        system: whose they are.
        seen: a round's observations, whatever else is among them; what could not be read shows nothing.
    """
    probes = {probe.key: probe for probe in witnesses(system)}
    optional = catalogue.parts(system.name).optional
    found: dict[str, str] = {}
    for observation in seen.values():
        probe = probes.get(observation.probe)
        if probe is None or observation.error is not None or not observation.target.startswith(f"{system.name}/"):
            continue
        for name, where in _named(_decoded(probe, observation)):
            words = _WORD.findall(name.lower())
            for component in sorted(system.absent):
                if any(word.startswith(optional[component].known_as) for word in words):
                    found.setdefault(component, f"{where}, by {observation.source}")
    return found


def looked(system: System, seen: Mapping[Key, Observation]) -> bool:
    """Say whether anything was read that would have shown an absent component; what nobody read proves no absence."""
    probes = {probe.key: probe for probe in witnesses(system)}
    return not probes or any(
        observation.error is None
        and observation.target.startswith(f"{system.name}/")
        and _decoded(probes[observation.probe], observation) is not None
        for observation in seen.values()
        if observation.probe in probes
    )


def declared_and_seen(component: str, where: str) -> str:
    """Return what is wrong with a declaration, in words."""
    return f"{component} is declared absent, and is seen all the same: {where}"


def _decoded(probe: Probe[Any], observation: Observation) -> object:
    try:
        return probe.decode(observation.judged_value)
    except ValueError:  # masked in another process: it names nothing that could be told
        return None


def _named(reading: object) -> Iterator[tuple[str, str]]:
    """Yield each name in a reading that may be a component's, with where it stands."""
    if isinstance(reading, Listing):
        for one in reading.instances:
            yield f"{one.component} {one.name}", f"{one.name} is {one.state}"
        for name in reading.declared:
            yield name, f"{name} is declared"
    if isinstance(reading, Answer):
        for answer in (reading, *reading.again):
            checks = answer.get("checks")
            for name, check in checks.items() if isinstance(checks, dict) else ():
                sick = isinstance(check, dict) and check.get("status") not in _WELL
                for word in (name, *_texts(check)):
                    if sick or not any(letter.isspace() for letter in word):
                        yield word, f"checks.{name} names {word}"


def _texts(check: object) -> Iterator[str]:
    """Yield all texts of a check, however deep.

    Names and addresses count; a sentence may also say that something is not there, and counts where the check is not
    healthy.
    """
    if isinstance(check, str):
        yield check
    elif isinstance(check, dict):
        for name, value in check.items():
            yield name
            yield from _texts(value)
    elif isinstance(check, list):
        for value in check:
            yield from _texts(value)
