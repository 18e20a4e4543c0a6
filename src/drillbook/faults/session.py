"""A run's faults at one place: the place taken, a watchdog beside it, and every fault through the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from .blast import Blast
from .claims.places import Spot
from .guard import Refusal, enter, permit, within_limits
from .lifecycle import Aborted, Fault, Injection, Limits
from .watchdog.handle import Timing, Watchdog

if TYPE_CHECKING:
    from types import TracebackType

    from ..environment import Environment
    from ..journal import Journal
    from .claims.records import LocalClaim


class NotPermitted(Exception):
    """The environment does not allow this fault; the text says what would change that."""


class FaultSession:
    """A place held for faults, for one run; ``open`` makes one and ``close`` leaves nothing behind.

    A run that disrupts systems at several places has a session for each; what they have in is counted together.
    """

    def __init__(
        self,
        environment: Environment,
        disrupt: str | None,
        *,
        claim: LocalClaim,
        watchdog: Watchdog,
        journal: Journal,
        injections: list[Injection],
    ) -> None:
        self.watchdog = watchdog
        self._environment = environment
        self._disrupt = disrupt
        self.claim = claim
        self._journal = journal
        self._injections = injections

    @classmethod
    def open(
        cls,
        environment: Environment,
        disrupt: str | None,
        spot: Spot,
        *,
        journal: Journal,
        timing: Timing | None = None,
        injections: list[Injection] | None = None,
    ) -> Self | Refusal:
        """Take a place and start the watchdog.

        Args:
            environment: where.
            disrupt: the value of ``--disrupt``.
            spot: what is to be disrupted; what shares its place is held with it.
            journal: the run's record.
            timing: when the watchdog acts by itself.
            injections: all of the run, shared by its sessions; None where it has no other.

        Returns:
            The session, or why there is none.

        Raises:
            WatchdogDied: it did not start; nothing is held.
        """
        timing = timing or Timing()
        run = str(journal.directory.absolute())
        claim = enter(environment, disrupt, spot, run=run, lease_s=timing.lease_s)
        if isinstance(claim, Refusal):
            return claim
        try:
            watchdog = Watchdog.start(claim, journal, timing)
        except BaseException:
            claim.release()
            raise
        together = [] if injections is None else injections
        return cls(environment, disrupt, claim=claim, watchdog=watchdog, journal=journal, injections=together)

    def prepare(self, fault: Fault, *, limits: Limits | None = None) -> Injection:
        """Return a fault ready to be injected: ``with session.prepare(fault) as injection: ...``.

        Injecting raises NotPermitted when the guard refuses it then, beside what is already in.
        """
        injection = Injection(
            fault,
            claim=self.claim,
            watchdog=self.watchdog,
            journal=self._journal,
            limits=limits,
            permit=lambda: self._permit(fault),
            within_limits=lambda: self._within_limits(fault),
        )
        self._injections.append(injection)
        return injection

    def check(self) -> None:
        """Raise Aborted when the watchdog has undone everything by itself: a person, silence, the lease's end."""
        if self.watchdog.fenced:
            raise Aborted(self.watchdog.fenced)

    @property
    def blasts_in(self) -> tuple[Blast, ...]:
        """What is hit now, by whichever scenario of the run, at whichever place."""
        return tuple(found.fault.blast for found in self._injections if found.active)

    @property
    def unguarded(self) -> str | None:
        """Why nobody guarded the run for a time, or to its end, or None."""
        return self.watchdog.lost

    def close(self) -> bool:
        """Undo what is still in, let the watchdog finish, and let go. Return whether nothing is left behind."""
        try:
            return self.watchdog.close()
        finally:
            self.claim.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _permit(self, fault: Fault) -> None:
        refused = permit(self._environment, self._disrupt, fault.blast, active=self.blasts_in, claim=self.claim)
        _raise(refused)

    def _within_limits(self, fault: Fault) -> None:
        _raise(within_limits(self._environment, (*self.blasts_in, fault.blast)))


def _raise(refused: Refusal | None) -> None:
    if refused is not None:
        raise NotPermitted(refused.reason)
