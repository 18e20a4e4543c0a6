"""What every family asks of a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from ..platforms import Lists, Missing, PlatformRefused, platform_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model import System
    from ..platforms import InstanceState

C = TypeVar("C")


def ask(system: System, capability: Callable[..., C], of: str | None = None) -> C:
    """Return the capability for a component. Raises PlatformRefused with the reason why there is none."""
    found = platform_of(system).can(cast("type[C]", capability), of)
    if isinstance(found, Missing):
        raise PlatformRefused(found.reason, hint="choose a fault that this platform can do")
    return found


def listed(system: System) -> tuple[InstanceState, ...]:
    """Return all instances of a system. Raises CannotObserve, PlatformRefused."""
    return ask(system, Lists).list_instances()


def shown(states: Iterable[InstanceState]) -> str:
    """Say in what state each one is."""
    return "; ".join(f"{state.name} {_state(state)}" for state in states) or "nothing"


def _state(state: InstanceState) -> str:
    if state.state == "exited":
        return "exited" if state.exit_code is None else f"exited with {state.exit_code}"
    if state.because is not None:
        return f"{state.state}: {state.because}"
    return f"{state.state} (pid {state.pid})" if state.pid is not None else state.state
