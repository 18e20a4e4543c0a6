"""The labs of all platforms, alike: what the capability contract needs of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from drillbook.environment import load
from drillbook.model import System
from drillbook.platforms import (
    Executes,
    InstanceState,
    KeepsClaim,
    Lists,
    Missing,
    Pauses,
    RollsBack,
    RollsOut,
    Scales,
    Starts,
    discovered,
    platform_of,
)
from drillbook.polling import wait_until

from .cluster import Cluster
from .host import Host
from .project import Planted

C = TypeVar("C")
COMPONENT = "api"
WHOLE_S = 120.0  # a busy machine starts three pods slowly
MISSING: dict[str, dict[Any, str]] = {
    "process": {
        KeepsClaim: "the disk of this machine",
        Executes: "run the command on this machine",
        Scales: "as many processes as the lab was brought up with",
        RollsOut: "nothing to roll out",
        RollsBack: "no earlier version",
    },
    "compose": {RollsOut: "change them and run docker compose up", RollsBack: "keeps no earlier version"},
    "systemd": {Scales: "a unit is one replica", RollsOut: "package manager", RollsBack: "no earlier version"},
    "kubernetes": {
        Starts: "never started again",
        Pauses: "frozen through the API",
        Executes: "may not create pods/exec",
    },
}
"""What a platform truly does not have, and what it must say about it."""


@dataclass(frozen=True)
class Ground:
    """One lab.

    Attributes:
        name: its platform.
        file: its environment file.
        load: reads its environment file, as the account that may act there.
        count: how many copies of the service run when all is well.
        planted: has a row of lab/defects.toml planted while it is entered, all at rest before the first moment.
    """

    name: str
    file: Path
    load: Callable[[], System]
    count: int
    planted: Callable[[Mapping[str, Any]], contextlib.AbstractContextManager[object]]

    @property
    def system(self) -> System:
        """The system with the instances of this moment."""
        return discovered(self.load())

    def can(self, capability: Callable[..., C]) -> C | Missing:
        """Return a capability, or why the platform lacks it."""
        return platform_of(self.load()).can(cast("type[C]", capability))

    def ask(self, capability: Callable[..., C]) -> C:
        """Return a capability, which must be there."""
        found = self.can(capability)
        assert not isinstance(found, Missing), found.reason
        return found

    def listed(self) -> tuple[InstanceState, ...]:
        """Return all instances."""
        return self.ask(Lists).list_instances()

    def copies(self) -> tuple[InstanceState, ...]:
        """Return the copies of the service."""
        return tuple(state for state in self.listed() if state.component == COMPONENT)

    def state_of(self, name: str) -> InstanceState | None:
        """Return one instance, None when it is gone."""
        return next((state for state in self.listed() if state.name == name), None)

    def mend(self) -> None:
        """Start what has exited, where that is how it comes back, and wait until all copies run."""
        starts = self.can(Starts)
        for state in self.copies():
            if not isinstance(starts, Missing) and state.state == "exited":
                starts.start(state.name)
        self.have(self.count)

    def have(self, count: int, *, besides: frozenset[str] = frozenset()) -> tuple[InstanceState, ...]:
        """Wait until so many copies run, and no other; none of them one of the lives in ``besides``."""

        def look() -> tuple[InstanceState, ...] | None:
            found = self.copies()
            fresh = not besides & lives(found)
            return found if fresh and len(found) == count and all(one.running for one in found) else None

        return wait_until(look, what=f"{count} copies", timeout_s=WHOLE_S, every_s=0.2)


def lives(states: tuple[InstanceState, ...]) -> frozenset[str]:
    """Return what tells one life of an instance from the next."""
    return frozenset(f"{state.name} since {state.started_at}" for state in states)


def _unplanted(row: Mapping[str, Any]) -> contextlib.AbstractContextManager[object]:
    raise NotImplementedError("a lab of processes is brought up with its defects, one a test: see tests/controls")


def _process(lab: Path) -> Ground:
    return Ground("process", lab, lambda: load(lab).systems["config-manager"], 2, _unplanted)


def _compose(lab: Planted) -> Ground:
    environment = lab.have()

    @contextlib.contextmanager
    def planted(row: Mapping[str, Any]) -> Iterator[None]:
        lab.have(*row["plant"])
        try:
            yield
        finally:
            lab.have()

    return Ground("compose", environment, lambda: load(environment).systems["config-manager"], 2, planted)


def _systemd(lab: Host) -> Ground:
    lab.heal(journal=False)
    lab.used = True
    return Ground("systemd", lab.environment, lambda: lab.system, 1, lab.planted)


def _kubernetes(lab: Cluster) -> Ground:
    lab.heal()

    @contextlib.contextmanager
    def planted(row: Mapping[str, Any]) -> Iterator[None]:
        lab.renew(row["plant"])
        lab.quiet()
        try:
            yield
        finally:
            lab.renew([])
            lab.quiet()

    return Ground("kubernetes", lab.folder / "environment.toml", lambda: lab.system("drill"), 3, planted)


PLATFORMS: dict[str, tuple[Callable[[Any], Ground], str]] = {
    "process": (_process, "processes"),
    "compose": (_compose, "planted"),
    "systemd": (_systemd, "machine"),
    "kubernetes": (_kubernetes, "cluster"),
}
"""How a ground is made, and of which lab."""


def having(*capabilities: Callable[..., object]) -> pytest.MarkDecorator:
    """Give the test a ground on each platform that has these; of the others another test proves that they lack them."""
    names = [name for name in PLATFORMS if not MISSING[name].keys() & set(capabilities)]
    return pytest.mark.parametrize("ground", names, indirect=True)


def lacking() -> pytest.MarkDecorator:
    """Give the test a ground, what its platform lacks, and what it must say about that, for all there are."""
    rows = [(name, capability, why) for name, lacks in MISSING.items() for capability, why in lacks.items()]
    names = [f"{name}-{capability.__name__}" for name, capability, _ in rows]
    return pytest.mark.parametrize(("ground", "capability", "why"), rows, indirect=["ground"], ids=names)
