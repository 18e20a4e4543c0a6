"""The address by which a component is reached from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import addresses
from ..model import CannotObserve
from ..platforms import Missing, Reaches, platform_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import System


def reached(system: System, component: str, address: str) -> tuple[str, Callable[[], None]]:
    """Return an address that works here, and what to call when it failed.

    Args:
        system: whose component.
        component: postgres, redis or prometheus.
        address: as the environment gives it.

    Returns:
        The address, and a function that raises CannotObserve when the way there broke rather than the component.

    Raises:
        CannotObserve: there is no way there.
    """
    if component not in system.forwarded:
        return address, lambda: None
    found = platform_of(system).can(Reaches)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(found, Missing):
        raise CannotObserve(found.reason, hint=f"leave through out of systems.{system.name}.{component}")
    way = found.reach(component, addresses.hostname(address))
    if way is None:
        return address, lambda: None
    return way.local(address), lambda: way.check(address)
