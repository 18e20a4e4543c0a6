"""Protected means protected: every condition that must hold before a harm, each refusal with a hint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..model import CannotObserve
from ..platforms import BearsMarks, Missing, PlatformRefused, platform_of
from .blast import Blast
from .claims import taking
from .claims.places import Spot, spot_of, together_with
from .claims.records import Held, LeftBehind, LocalClaim, folders_of, found_in, holder_of, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..environment import Environment
    from ..model import System


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing may be disrupted here; the sentence says what would change that."""

    reason: str


def permit(
    environment: Environment,
    disrupt: str | None,
    blast: Blast,
    *,
    active: Iterable[Blast] = (),
    claim: LocalClaim | None = None,
) -> Refusal | None:
    """Say whether a fault may be injected; changes nothing, so a plan may ask too.

    Args:
        environment: where.
        disrupt: the value of ``--disrupt``.
        blast: what the fault would hit; asked are the marks and the claim of its place, and of no other.
        active: what is hit already; all together must stay within the limits.
        claim: our hold on that place; without it the answer is whether it could be had.

    Returns:
        The first refusal, or None.
    """
    system = environment.systems.get(blast.system)
    if system is None:
        return Refusal(
            f"{environment.name} has no system {blast.system}; name it under [systems] in {environment.path}"
        )
    return (
        not_asked_for(environment, disrupt)
        or _not_borne(environment, spot_of(system, blast.component))
        or _not_ours(environment, spot_of(system, blast.component), claim)
        or within_limits(environment, (*active, blast))
    )


def permit_each(
    environment: Environment,
    disrupt: str | None,
    blasts: Iterable[Blast],
    *,
    active: Iterable[Blast] = (),
    claim_of: Callable[[Blast], LocalClaim | None] = lambda _blast: None,
) -> Iterator[Refusal | None]:
    """Say the same of faults that follow one another, each with those before it still active, each with its claim."""
    before = list(active)
    for blast in blasts:
        yield permit(environment, disrupt, blast, active=before, claim=claim_of(blast))
        before.append(blast)


def permit_load(
    environment: Environment, disrupt: str | None, system: System, *, claim: LocalClaim | None = None
) -> Refusal | None:
    """Say whether load may be sent: it is a disruption, whose bound is ``[load] max_rps``. Changes nothing.

    Args:
        environment: where.
        disrupt: the value of ``--disrupt``.
        system: to which of its systems.
        claim: our hold on the place of that system; without it the answer is whether it could be had.
    """
    return (
        not_asked_for(environment, disrupt)
        or _not_borne(environment, spot_of(system))
        or _nothing_may_be_hit(environment)
        or _not_ours(environment, spot_of(system), claim)
    )


def enter(
    environment: Environment, disrupt: str | None, spot: Spot, *, run: str, lease_s: float
) -> LocalClaim | Refusal:
    """Take a place for faults: on this machine, and on the target where it can keep a claim.

    Args:
        environment: where.
        disrupt: the value of ``--disrupt``.
        spot: what is to be disrupted; what shares its place is held with it.
        run: the directory of the run's journal.
        lease_s: the longest time that the run may hold harm.

    Returns:
        Our hold on it, or why it cannot be had.
    """
    refused = not_asked_for(environment, disrupt) or _not_borne(environment, spot)
    if refused is not None:
        return refused
    try:
        return _taken(environment, spot, run, lease_s)
    except (Held, LeftBehind) as error:
        return Refusal(str(error))
    except (CannotObserve, PlatformRefused) as error:
        return Refusal(f"{error.reason}; {error.hint}")


def _taken(environment: Environment, spot: Spot, run: str, lease_s: float) -> LocalClaim:
    """Take it here, then on the target. Raises Held, LeftBehind, CannotObserve, PlatformRefused."""
    there = together_with(spot, environment.systems.values())
    claim = LocalClaim.take(environment.name, run=run, systems=[one.name for one in there])
    try:
        claim.on_targets = taking.take(environment.name, there, claim.holder, claim.target_lock, lease_s=lease_s)
    except BaseException:
        claim.release()
        raise
    return claim


def not_asked_for(environment: Environment, disrupt: str | None) -> Refusal | None:
    """Say why nothing at all is disrupted here, whatever its place; None where the file and the run agree on it."""
    if not environment.disruption.allowed:
        return Refusal(
            f"{environment.name} allows no disruption; set allowed = true under [disruption] in {environment.path}"
        )
    if disrupt is None:
        return Refusal(f"nobody asked for disruption; add --disrupt {environment.name}")
    if disrupt != environment.name:
        return Refusal(f"--disrupt names {disrupt} and the environment is {environment.name}; they must be the same")
    return None


def _not_borne(environment: Environment, spot: Spot) -> Refusal | None:
    """Ask the target itself."""
    name = spot.name
    bears = platform_of(spot.system).can(BearsMarks, spot.of)  # type: ignore[type-abstract] # asked for by its type
    if isinstance(bears, Missing):
        return Refusal(f"{name} of {environment.name} bears no marker: {bears.reason}")
    try:
        marks = bears.marks()
    except CannotObserve as unseen:
        return Refusal(f"cannot see whether {name} bears a marker: {unseen.reason}; {unseen.hint}")
    if environment.name in marks:
        return None
    listed = ", ".join(sorted(marks)) or "nothing"
    return Refusal(
        f"{bears.marker} names {listed}, not {environment.name}; this may be another target than you think: "
        f"add it there where {name} may be disrupted"
    )


def within_limits(environment: Environment, blasts: Iterable[Blast]) -> Refusal | None:
    """Count all that would be hit at once, each system's component apart; what two faults hit counts once.

    What the undo records of this machine say is in counts as well, whoever's it is and at whatever place.
    """
    limits, ours = environment.disruption.at_most, tuple(blasts)
    try:
        theirs = tuple(one for one in _recorded(environment.name) if one not in ours)
    except CannotObserve as unseen:
        return Refusal(f"cannot see what is hit already: {unseen.reason}; {unseen.hint}")
    hit = _hit_together((*theirs, *ours))
    next_step = f"in {environment.path}{_by_others(environment.name, theirs)}"
    count = sum(len(one.instances) for one in hit)
    if count > limits.instances:
        return Refusal(
            f"{count} instances would be hit ({_by_system(hit)}), at most {limits.instances} may be; "
            f"choose fewer, or raise disruption.at_most.instances {next_step}"
        )
    for one in hit:
        if one.share > limits.share:
            return Refusal(
                f"{len(one.instances)} of {one.of_total} instances of {one.component} of {one.system} would be hit, "
                f"a share of {one.share:.2f}, at most {limits.share:.2f} may be; choose fewer, or raise "
                f"disruption.at_most.share {next_step}"
            )
    return None


def _by_others(name: str, theirs: tuple[Blast, ...]) -> str:
    """Say what of it other runs have in, and what ends that; nothing where they have none."""
    if not theirs:
        return ""
    what = _by_system(_hit_together(theirs))
    ends = f"drillbook abort --env {name} ends it, drillbook recover --env {name} undoes what a dead one has left"
    return f"; {what} is another run's: {ends}"


def _recorded(environment: str) -> Iterator[Blast]:
    """Return what is in by the records of this machine; one that does not tell counts as an instance of its own."""
    for folder in folders_of(environment).values():
        for row in found_in(folder):
            unknown = Blast(row.system or "an unknown system", "an unknown component", (row.path.stem,), 0)
            yield (row.record and row.record.blast) or unknown


def _hit_together(blasts: Iterable[Blast]) -> tuple[Blast, ...]:
    """Return what they hit together: one row for each component of each system."""
    found: dict[tuple[str, str], Blast] = {}
    for blast in blasts:
        before = found.setdefault((blast.system, blast.component), blast)
        found[blast.system, blast.component] = replace(
            before,
            instances=tuple(sorted({*before.instances, *blast.instances})),
            of_total=max(before.of_total, blast.of_total),
        )
    return tuple(found.values())


def _by_system(hit: Iterable[Blast]) -> str:
    names: dict[str, list[str]] = {}
    for one in hit:
        names.setdefault(one.system, []).extend(one.instances)
    return "; ".join(f"{', '.join(found)} of {system}" for system, found in names.items())


def _nothing_may_be_hit(environment: Environment) -> Refusal | None:
    if environment.disruption.at_most.instances > 0:
        return None
    return Refusal(
        f"load reaches every instance, and at most 0 may be hit; "
        f"raise disruption.at_most.instances in {environment.path}"
    )


def _not_ours(environment: Environment, spot: Spot, claim: LocalClaim | None) -> Refusal | None:
    name = environment.name
    if claim is None:
        return _not_free(environment, spot)
    if claim.held and claim.environment == name and spot.name in claim.systems:
        return None
    return Refusal(f"the place of {spot.name} in {name} is not held by this run (any more); start the run again")


def _not_free(environment: Environment, spot: Spot) -> Refusal | None:
    """Say why nobody could take a place now, here or on the target."""
    name = environment.name
    there = together_with(spot, environment.systems.values())
    names = [one.name for one in there]
    try:
        holder = holder_of(name, names)
        if holder is not None:
            return Refusal(str(Held(name, holder, names)))
        left = leftovers(name, names)
        if left:
            return Refusal(str(LeftBehind(name, left)))
        taking.look(name, there)
    except (Held, LeftBehind) as error:
        return Refusal(str(error))
    except (CannotObserve, PlatformRefused) as error:
        return Refusal(f"{error.reason}; {error.hint}")
    return None
