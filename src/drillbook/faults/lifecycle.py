"""The one way to do harm: written down, done, proved, undone, proved, cleaned.

    prepared ──► recorded ──► injected ──► in_effect ──► recovering ──► recovered ──► cleaned
        │           │            │            │              │              │            ▲
        └───────────┴────────────┴─────┬──────┴──────────────┴──────────────┘            │
                                       ▼                                                 │
                                     broken ─────────────────────────────────────────────┘
                                      ▲  │   (clean-up undoes and proves; when that fails
                                      └──┘    it stays broken, and the record stays)

Only ``Injection`` drives a fault. The undo is on the disk and known to the watchdog before the harm, and it is the
watchdog that undoes: asked to, or by itself when this process dies.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

from ..journal.events import FaultMoved
from ..model import CannotObserve
from ..platforms import PlatformRefused
from ..polling import TimedOut, wait_until
from .blast import Blast
from .claims.records import new_record
from .interrupts import INTERRUPTS
from .undo import BUDGET_S, NotUndone, WatchdogDied

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..journal import Journal
    from .claims.records import Claim, Record
    from .undo import Undo

_LOOK_EVERY_S = 0.05


class DidNotBite(Exception):
    """The harm was done and has no effect: whatever was measured, it was not this fault. It has been undone."""


class NotRecovered(Exception):
    """The harm may still be in; its record stays until ``drillbook recover`` has proved otherwise."""


class NotRecorded(Exception):
    """The undo could not be written down; nothing was done."""


class Aborted(Exception):
    """An abort condition, a person or the watchdog ended the fault early. It has been undone."""


class IllegalUse(Exception):
    """A step that is not legal in this state: a mistake in the scenario."""


class Fault(Protocol):
    """A harm that can be undone. Whoever holds one has looked at the target and changed nothing."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def blast(self) -> Blast:
        """What it hits."""
        ...

    @property
    def undo(self) -> Undo:
        """What takes it back, as data; known before the harm."""
        ...

    def inject(self) -> None:
        """Do the harm. Raises PlatformRefused, CannotObserve."""
        ...

    def in_effect(self) -> str | None:
        """Return the evidence that the harm is felt, or None. Raises CannotObserve."""
        ...

    def recovered(self) -> str | None:
        """Return the evidence that the target is as it was, or None. Raises CannotObserve."""
        ...


class Undoer(Protocol):
    """The watchdog, as an injection needs it."""

    @property
    def fenced(self) -> str | None:
        """Why it has undone everything by itself, or None."""
        ...

    def arm(self, record: Record) -> None:
        """Have a record guarded. Raises WatchdogDied when nobody guards."""
        ...

    def undo(self, record_id: str, *, timeout_s: float) -> str:
        """Undo, prove, and return the evidence. Raises NotUndone, WatchdogDied."""
        ...

    def disarm(self, record_id: str) -> None:
        """Remove a record that is proven undone. Raises WatchdogDied, NotUndone when it cannot be removed."""
        ...


class State(StrEnum):
    """Where an injection stands."""

    PREPARED = "prepared"
    RECORDED = "recorded"
    INJECTED = "injected"
    IN_EFFECT = "in_effect"
    RECOVERING = "recovering"
    RECOVERED = "recovered"
    CLEANED = "cleaned"
    BROKEN = "broken"


LEGAL: dict[State, frozenset[State]] = {
    State.PREPARED: frozenset({State.RECORDED, State.BROKEN}),
    State.RECORDED: frozenset({State.INJECTED, State.BROKEN}),
    State.INJECTED: frozenset({State.IN_EFFECT, State.BROKEN}),
    State.IN_EFFECT: frozenset({State.RECOVERING, State.BROKEN}),
    State.RECOVERING: frozenset({State.RECOVERED, State.BROKEN}),
    State.RECOVERED: frozenset({State.CLEANED, State.BROKEN}),
    State.BROKEN: frozenset({State.CLEANED, State.BROKEN}),
    State.CLEANED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the steps may take."""

    effect_s: float = 5.0
    """From the end of the harm to its proof."""
    recovery_s: float = BUDGET_S + 5.0
    """For the watchdog's undo with its proof."""
    proof_s: float = 10.0
    """From the end of the undo to the fault's own proof."""


class Injection:
    """One fault on its way through its life; every step is journalled as ``fault``.

    One thread drives it; ``abort`` may come from any other.

    Args:
        fault: what to do.
        claim: where its undo is written down.
        watchdog: who undoes it.
        journal: the run's record.
        limits: how long the steps may take.
        permit: asked right before the record is written; raises when the harm is not allowed.
        within_limits: asked right after that, when other runs see the record; raises when it is too much with theirs.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        claim: Claim,
        watchdog: Undoer,
        journal: Journal,
        limits: Limits | None = None,
        permit: Callable[[], None] = lambda: None,
        within_limits: Callable[[], None] = lambda: None,
    ) -> None:
        self.fault = fault
        self.state = State.PREPARED
        self.evidence: dict[State, str] = {}
        """What proved the effect and the recovery."""
        self.injected_at_s: float | None = None
        """When the harm began, by the monotonic clock."""
        self._claim = claim
        self._watchdog = watchdog
        self._journal = journal
        self._limits = limits or Limits()
        self._permit = permit
        self._within_limits = within_limits
        self._record = new_record(
            claim, fault=fault.name, undo=fault.undo, run=str(journal.directory), blast=fault.blast
        )
        self._harmed = False
        self._abort_reason: str | None = None
        self._guard = threading.Lock()

    @property
    def id(self) -> str:
        """Names the record, in the journal as on the disk."""
        return self._record.id

    @property
    def aborted(self) -> str | None:
        """Why it was ended early, or None."""
        if self._abort_reason is None and self.active:
            self._abort_reason = self._watchdog.fenced
        return self._abort_reason

    @property
    def active(self) -> bool:
        """Whether harm is in, or may be."""
        return self._harmed and self.state is not State.CLEANED

    def inject(self) -> str:
        """Write the undo down, do the harm, prove its effect, and return the evidence.

        Whatever goes wrong, a Ctrl-C included, the harm is undone before this raises.

        Raises:
            DidNotBite: the harm has no effect.
            Aborted: it was ended early.
            WatchdogDied: nobody would undo it; nothing was done.
            NotRecorded: its undo cannot be written down; nothing was done.
            PlatformRefused: the harm could not be done.
            CannotObserve: nobody can say whether it has an effect.
        """
        self._must_be(State.PREPARED)
        try:
            self._write_down()
            self._harm()
            return self._prove_effect()
        except BaseException as trouble:
            self._break(trouble)
            raise

    def recover(self) -> str:
        """Have the harm undone, prove it, and return the evidence; signals wait. Raises NotRecovered."""
        self._must_be(State.IN_EFFECT)
        with INTERRUPTS.held():
            try:
                try:
                    self._go(State.RECOVERING)
                finally:  # what tells must never stop what undoes
                    evidence = self._undo_and_prove()
                self._go(State.RECOVERED, evidence)
            except BaseException as trouble:
                self._enter_broken(trouble)
                raise
        return evidence

    def clean(self) -> None:
        """Remove the record; from ``broken`` only after undoing and proving; signals wait. Raises NotRecovered."""
        if self.state not in (State.RECOVERED, State.BROKEN):
            raise IllegalUse(f"{self.fault.name}: clean-up is not legal when {self.state}")
        with INTERRUPTS.held():
            try:
                evidence = self._undo_and_prove() if self.state is State.BROKEN and self._harmed else ""
                self._forget()
                self._go(State.CLEANED, evidence)
            except BaseException as trouble:
                self._enter_broken(trouble)
                raise

    def close(self) -> None:
        """Do whatever is left to do: recover, clean. Raises NotRecovered, and Aborted when it was ended early."""
        if self.state is State.IN_EFFECT:
            with contextlib.suppress(Exception):  # the clean-up tries once more, and says so when it fails
                self.recover()
        elif self.state in (State.RECORDED, State.INJECTED):
            self._enter_broken(InterruptedError("a signal came before the failed harm was undone"))
        reason = self.aborted
        if self.state in (State.RECOVERED, State.BROKEN):
            self.clean()
        if reason:
            raise Aborted(f"{self.fault.name}: {reason}")

    def abort(self, reason: str) -> None:
        """Have the harm undone now, from any thread; the scenario fails with this reason.

        Raises:
            NotRecovered: the undo failed; the driving thread will try again.
        """
        with self._guard:
            first = self._abort_reason is None
            self._abort_reason = self._abort_reason or reason
        try:
            if first:
                self._tell("aborted", reason)
        finally:
            if self.active:
                self._undo()

    def __enter__(self) -> Self:
        self.inject()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Aborted:
            if error is None:
                raise
            error.add_note(f"{self.fault.name} was aborted: {self.aborted}")

    def _write_down(self) -> None:
        self._permit()
        try:
            self._claim.put(self._record)
        except OSError as error:
            raise NotRecorded(
                f"the undo of {self.fault.name} cannot be written down, so nothing was done: {error.strerror}; "
                f"make room for Drillbook's state (DRILLBOOK_STATE_DIR)"
            ) from None
        self._within_limits()
        self._watchdog.arm(self._record)
        self._go(State.RECORDED)

    def _harm(self) -> None:
        self._raise_if_aborted()
        self._harmed = True
        self.injected_at_s = time.monotonic()
        self.fault.inject()
        self._go(State.INJECTED)

    def _prove_effect(self) -> str:
        blind: list[CannotObserve] = []

        def look() -> str | None:
            self._raise_if_aborted()
            blind.clear()
            try:
                return self.fault.in_effect()
            except CannotObserve as error:
                blind.append(error)
                return None

        try:
            evidence = wait_until(
                look, what=f"{self.fault.name} to bite", timeout_s=self._limits.effect_s, every_s=_LOOK_EVERY_S
            )
        except TimedOut as error:
            if blind:
                raise blind[0] from None
            raise DidNotBite(f"{self.fault.name} has no effect: {error}") from None
        self._go(State.IN_EFFECT, evidence)
        return evidence

    def _undo_and_prove(self) -> str:
        self._undo()
        blind = ""

        def look() -> str | None:
            nonlocal blind
            try:
                blind = ""
                return self.fault.recovered()
            except Exception as error:  # noqa: BLE001 - not proven as long as nobody can look, for whatever reason
                blind = f"; {_words(error)}"
                return None

        try:
            return wait_until(
                look, what=f"the end of {self.fault.name}", timeout_s=self._limits.proof_s, every_s=_LOOK_EVERY_S
            )
        except TimedOut as error:
            raise self._not_recovered(f"{error}{blind}") from None

    def _undo(self) -> str:
        try:
            return self._watchdog.undo(self._record.id, timeout_s=self._limits.recovery_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, the harm may still be in
            raise self._not_recovered(_words(error)) from None

    def _not_recovered(self, reason: str) -> NotRecovered:
        hint = f"drillbook recover --env {self._claim.environment}"
        return NotRecovered(f"{self.fault.name} is not undone: {reason}; next: {hint}")

    def _forget(self) -> None:
        """Remove the record. Where nothing was done, nobody else is needed for that."""
        if self._harmed:
            self._disarm()
        else:
            with contextlib.suppress(Exception):  # what stays is a record of nothing
                self._claim.remove(self._record.id)
            with contextlib.suppress(NotRecovered):
                self._disarm()

    def _disarm(self) -> None:
        try:
            self._watchdog.disarm(self._record.id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the record may still be there
            raise self._not_recovered(_words(error)) from None

    def _break(self, trouble: BaseException) -> None:
        """Undo after a failed injection; the trouble that led here is what gets raised."""
        with INTERRUPTS.held():
            self._enter_broken(trouble)
            try:
                self.clean()
            except Exception as error:  # noqa: BLE001 - it must not hide why there was something to undo
                trouble.add_note(_words(error))

    def _enter_broken(self, trouble: BaseException) -> None:
        """Note what broke it. Raises nothing: what tells must never stop what undoes."""
        if self.state is State.CLEANED:  # nothing is left that could be broken
            return
        try:
            self._go(State.BROKEN, f"{type(trouble).__name__}: {trouble}")
        except Exception as error:  # noqa: BLE001 - see above
            trouble.add_note(f"and the journal was not told: {_words(error)}")

    def _raise_if_aborted(self) -> None:
        reason = self.aborted or self._watchdog.fenced
        if reason:
            raise Aborted(f"{self.fault.name}: {reason}")

    def _must_be(self, state: State) -> None:
        if self.state is not state:
            raise IllegalUse(f"{self.fault.name}: legal only when {state}, and it is {self.state}")

    def _go(self, state: State, evidence: str = "") -> None:
        if state not in LEGAL[self.state]:
            raise IllegalUse(f"{self.fault.name}: from {self.state} to {state} is not legal")
        self.state = state
        if evidence:
            self.evidence[state] = evidence
        self._tell(state, evidence)

    def _tell(self, state: str, evidence: str) -> None:
        blast = self.fault.blast
        self._journal.write(
            FaultMoved(
                id=self.id,
                name=self.fault.name,
                state=state,
                evidence=evidence,
                instances=tuple(blast.instances),
                of_total=blast.of_total,
                system=blast.system,
            )
        )


def _words(error: Exception) -> str:
    """Say what went wrong; what nobody expects is named by its type."""
    expected = isinstance(error, NotRecovered | NotUndone | WatchdogDied | CannotObserve | PlatformRefused)
    return str(error) if expected else f"{type(error).__name__}: {error}"
