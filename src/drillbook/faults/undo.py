"""Undo as data: what to do, named by kind, so that any process can do it later from a file alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..model import CannotObserve
from ..platforms import PlatformRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model import Json

BUDGET_S = 60.0
SETTLE_S = 0.3
_MOST_ACTS = 12
"""How often something that does not stay undone is undone; troubles are bounded by the budget alone."""
_LOOK_EVERY_S = 0.03
_LONGEST_LOOK_S = 0.3
"""Between two looks at what comes back by itself: far away, each look is a request."""
_LONGEST_PAUSE_S = 2.0


class BadUndo(Exception):
    """Undo data that nobody here can execute."""


class NotUndone(Exception):
    """The harm may still be in; the text says what was seen last."""


class WatchdogDied(Exception):
    """Nobody guards: no harm may be done, and what is in is undone by ``drillbook recover``."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes a harm back: a registered kind, and its data as JSON."""

    kind: str
    data: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        """Return one flat object: ``{"kind": "instances.start", ...}``."""
        return {"kind": self.kind, **self.data}

    @classmethod
    def from_json(cls, value: Json) -> Undo:
        """Read what ``to_json`` wrote. Raises BadUndo."""
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise BadUndo(f"expected an undo with a kind, got {value!r}")
        return cls(str(value["kind"]), {key: item for key, item in value.items() if key != "kind"})


class Healer(Protocol):
    """Executes one undo. Both methods may be called any number of times, by several processes at once."""

    def healed(self) -> str | None:
        """Look. Return the evidence that nothing of the harm is left, or None.

        Raises:
            CannotObserve: nothing can be seen.
        """
        ...

    def landing_s(self) -> float:
        """Return how long a harm whose author died may take to be seen, counted from the first look.

        0 where a harm that is under way can be told, or this one has been seen.
        """
        ...

    def heal(self) -> bool:
        """Look, act only on what this harm has caused, and say whether anything was done. Never waits long.

        Raises:
            CannotObserve: nothing can be seen.
            PlatformRefused: the action failed.
            NotUndone: there is nothing left to wait for.
        """
        ...


@dataclass(frozen=True, slots=True)
class Undone:
    """How an undo went."""

    evidence: str
    took_s: float
    acts: int
    """How often something had to be done; 0 when the harm was not there."""


_KINDS: dict[str, Callable[[Mapping[str, Json]], Healer]] = {}


def register(kind: str, parse: Callable[[Mapping[str, Json]], Healer]) -> None:
    """Make a kind of undo executable. ``parse`` raises BadUndo for data that is not of this kind."""
    if kind in _KINDS:
        raise ValueError(f"the kind {kind!r} is registered already")
    _KINDS[kind] = parse


def healer_of(undo: Undo) -> Healer:
    """Return what executes this undo. Raises BadUndo naming the known kinds."""
    parse = _KINDS.get(undo.kind)
    if parse is None:
        raise BadUndo(f"unknown kind {undo.kind!r}; known: {', '.join(sorted(_KINDS)) or 'none'}")
    return parse(undo.data)


def recovery_of(undo: Undo) -> str | None:
    """Look once: return the evidence that nothing of the harm is left, or None. Raises BadUndo, CannotObserve."""
    return healer_of(undo).healed()


def perform(undo: Undo, *, budget_s: float = BUDGET_S, settle_s: float = SETTLE_S) -> Undone:
    """Undo, and prove it.

    Args:
        undo: what to do.
        budget_s: the limit for all tries together.
        settle_s: how long the proof must hold: a harm that was under way when its author died may still land.

    Raises:
        BadUndo: at once, when nobody can execute it.
        NotUndone: when the budget is spent, or the harm came back each time.
    """
    return _Performance(healer_of(undo), budget_s, settle_s).run()


class _Performance:
    def __init__(self, healer: Healer, budget_s: float, settle_s: float) -> None:
        self._healer = healer
        self._settle_s = settle_s
        self._began = time.monotonic()
        self._end = self._began + budget_s
        self._acts = 0
        self._troubles = 0
        self._looks = 0
        """How often there was nothing to be done but wait."""
        self._healed_since: float | None = None
        self._last = "nothing"
        self._refused = ""
        """What refused or broke last; it says more than that nothing is healed yet."""

    def run(self) -> Undone:
        while True:
            try:
                evidence, pause_s = self._step()
            except NotUndone:
                raise
            except (CannotObserve, PlatformRefused) as error:
                evidence, pause_s = None, self._trouble(error.reason)
            except Exception as crash:  # noqa: BLE001 - a crash in a healer is one more reason to try again
                evidence, pause_s = None, self._trouble(f"{type(crash).__name__}: {crash}")
            now = time.monotonic()
            if evidence is not None:
                return Undone(evidence, now - self._began, self._acts)
            if now >= self._end or self._acts >= _MOST_ACTS:
                raise NotUndone(self._told(now))
            time.sleep(min(pause_s, max(0.0, self._end - now)))

    def _told(self, now: float) -> str:
        words = f"{now - self._began:.1f} s and {self._acts} tries; last seen: {self._last}"
        return words if self._refused in ("", self._last) else f"{words}; refused before: {self._refused}"

    def _step(self) -> tuple[str | None, float]:
        """Look, then act if needed. Return the evidence once it has held, and how long to wait for the next step."""
        evidence = self._healer.healed()
        now = time.monotonic()
        if evidence is None:
            self._healed_since = None
            self._last = "not healed yet"
            if not self._healer.heal():
                return None, self._look_again_s()
            self._acts += 1
            return None, self._backoff() if self._acts > 1 else _LOOK_EVERY_S
        self._last = evidence
        if self._healed_since is None:
            self._healed_since = now
        settled = now - self._healed_since >= self._settle_s
        landed = now - self._began >= self._healer.landing_s()
        return (evidence if settled and landed else None), self._look_again_s()

    def _look_again_s(self) -> float:
        """Return the pause before the next look where nothing is to be done: longer each time."""
        self._looks += 1
        return float(min(_LONGEST_LOOK_S, _LOOK_EVERY_S * 1.2**self._looks))

    def _trouble(self, reason: str) -> float:
        self._healed_since = None
        self._last = self._refused = reason
        self._troubles += 1
        return self._backoff()

    def _backoff(self) -> float:
        return float(min(_LONGEST_PAUSE_S, _LOOK_EVERY_S * 2.0 ** (self._acts + self._troubles)))


def text(data: Mapping[str, Json], key: str) -> str:
    """Return a text of undo data. Raises BadUndo."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise BadUndo(f"expected {key} to be a text, got {value!r}")
    return value


def texts(data: Mapping[str, Json], key: str) -> tuple[str, ...]:
    """Return a list of texts of undo data, not empty. Raises BadUndo."""
    value = data.get(key)
    if not isinstance(value, list) or not value:
        raise BadUndo(f"expected {key} to be a list of texts, got {value!r}")
    return tuple(text({key: item}, key) for item in value)
