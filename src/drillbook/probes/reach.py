"""The address by which a component is reached from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from .. import addresses, kinds
from ..model import CannotObserve, Secret, Target
from ..platforms import Missing, Reaches, platform_of
from .base import ReadingProbe
from .blindness import unnamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import System


V = TypeVar("V")


class AddressedProbe(ReadingProbe[V]):
    """A probe of a component that has one address, which the environment gives."""

    what: ClassVar[str]
    """What the component is called by people."""
    of: str
    """Which component."""

    def blind(self, system: System) -> str | None:
        """Return why there is none to look at."""
        return unnamed(system, self.what, self.of, named=bool(named(system, self.of)))

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the component, when the environment gives it an address."""
        return named(system, self.of)


def reached(system: System, component: str, address: str) -> tuple[str, Callable[[], None]]:
    """Return an address that works here, and what to call when it failed.

    Args:
        system: whose component.
        component: its name.
        address: as the environment gives it.

    Returns:
        The address, and a function that raises CannotObserve when the way there broke rather than the component.

    Raises:
        CannotObserve: there is no way there.
    """
    found_in_file = system.components.get(component)
    if found_in_file is None or found_in_file.through == "direct":
        return address, lambda: None
    address = _with_port(address, kinds.find(found_in_file.kind).port)
    found = platform_of(system).can(Reaches)  # type: ignore[type-abstract] # a protocol is asked for by its type
    if isinstance(found, Missing):
        raise CannotObserve(found.reason, hint=f"leave through out of systems.{system.name}.components.{component}")
    way = found.reach(component, addresses.hostname(address))
    if way is None:
        return address, lambda: None
    return way.local(address), lambda: way.check(address)


def address_of(target: Target, component: str) -> str:
    """Return the address that the environment gives a component; empty where it gives none. It may be a secret."""
    found = target.system.components.get(component)
    url = None if found is None else found.url
    return url.reveal() if isinstance(url, Secret) else url or ""


def shown_address_of(target: Target, component: str) -> str:
    """Return the address for people to see: the reference that it came from, where it is a secret."""
    found = target.system.components.get(component)
    url = None if found is None else found.url
    return url.reference if isinstance(url, Secret) else url or component


def named(system: System, component: str) -> tuple[Target, ...]:
    """Return a component as the one target, when the environment gives it an address."""
    found = system.components.get(component)
    return (Target(system, component),) if found is not None and found.url is not None else ()


def _with_port(address: str, port: int | None) -> str:
    parts = addresses.parse(address)
    return address if parts.port or port is None else parts.at(parts.host, port).url
