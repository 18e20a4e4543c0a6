"""The labs of all platforms, alike: what the capability contract needs of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

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
    "systemd": {Scales: "a unit is one copy", RollsOut: "package manager", RollsBack: "no earlier version"},
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

    def ask(self, capability: Callable[..., C]) -> C | None:
        """Return a capability; None when the platform lacks it, as it must, and says why."""
        found = platform_of(self.load()).can(cast("type[C]", capability))
        expected = MISSING[self.name].get(capability)
        if expected is None:
            assert not isinstance(found, Missing), found.reason
            return found
        assert isinstance(found, Missing)
        assert expected in found.reason
        return None

    def listed(self) -> tuple[InstanceState, ...]:
        """Return all instances."""
        lists = self.ask(Lists)
        assert lists is not None
        return lists.list_instances()

    def copies(self) -> tuple[InstanceState, ...]:
        """Return the copies of the service."""
        return tuple(state for state in self.listed() if state.component == COMPONENT)

    def state_of(self, name: str) -> InstanceState | None:
        """Return one instance, None when it is gone."""
        return next((state for state in self.listed() if state.name == name), None)

    def mend(self) -> None:
        """Start what has exited, where that is how it comes back, and wait until all copies run."""
        starts = self.ask(Starts)
        for state in self.copies():
            if starts is not None and state.state == "exited":
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
