"""The load balancer before a Compose project's replicas: a replica that stops gets no more work first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...polling import TimedOut, wait_until
from ..capabilities import PlatformRefused
from .haproxy import Balancer, NotAnswered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker.models.containers import Container

    from .haproxy import Server

_NOTICED_S = 5.0
_HINT = "check balancers under [compose], and that HAProxy has a stats socket of level admin there"


class Entry:
    """HAProxy as the environment names it, beside the containers of the project as they are now.

    Args:
        address: ``tcp://HOST:PORT/BACKEND``.
        containers: all of the project; one of them may be HAProxy's own.
    """

    def __init__(self, address: str, containers: Iterable[Container]) -> None:
        self._balancer = Balancer(address)
        self._containers = tuple(containers)

    def kept_from_work(self) -> frozenset[str] | None:
        """Return the addresses that HAProxy was told to give no work; None when it does not say."""
        try:
            return frozenset(server.address for server in self._servers() if server.drained and server.address)
        except NotAnswered:
            return None

    def take_out(self, container: Container, *, limit_s: float) -> None:
        """Give a container no more work and wait until it has none left, at most so long.

        Raises:
            PlatformRefused: HAProxy does not answer, and gives the container its work as before.
        """
        try:
            mine = [one.name for one in self._servers() if one.address in addresses(container)]
            for name in mine:
                self._balancer.drain(name)
        except NotAnswered as error:
            raise PlatformRefused(f"{container.name} is not taken out of the balancer: {error}", hint=_HINT) from None
        try:
            wait_until(lambda: self._is_idle(mine), what="its last request", timeout_s=limit_s, every_s=0.1)
        except (TimedOut, NotAnswered):
            return  # what is left has the rest of the grace, as it would without a balancer

    def put_back(self, container: Container, *, gone: bool) -> None:
        """Let a container have work again, with every place that is kept from work for nobody else who runs.

        Places of a server-template are given to whoever comes: one that stayed drained would starve the next copy.

        Args:
            container: which, as it was before it was stopped or started.
            gone: whether it has just ended; then HAProxy may notice first, or it would send work to nobody.

        Raises:
            PlatformRefused: HAProxy does not answer.
        """
        others = frozenset[str]().union(
            *(addresses(one) for one in self._containers if one.id != container.id and _runs(one))
        )
        try:
            mine = [one.name for one in self._servers() if one.drained and one.address not in others]
            if gone:
                self._wait_until_noticed(mine)
            for name in mine:
                self._balancer.ready(name)
        except NotAnswered as error:
            raise PlatformRefused(f"{container.name} is not put back into the balancer: {error}", hint=_HINT) from None

    def _servers(self) -> tuple[Server, ...]:
        """Return the backend's servers; none when HAProxy is down, for then nobody comes in and nothing is kept."""
        own = next((one for one in self._containers if self._is_balancer(one)), None)
        if own is not None and not _runs(own):
            return ()
        if own is not None and own.attrs["State"].get("Paused"):
            raise NotAnswered(f"{own.name} is paused")
        return self._balancer.servers()

    def _is_idle(self, names: list[str]) -> bool:
        return not any(one.sessions for one in self._servers() if one.name in names)

    def _wait_until_noticed(self, names: list[str]) -> None:
        def noticed() -> bool:
            return not any(one.up and one.address is not None for one in self._servers() if one.name in names)

        try:
            wait_until(noticed, what="HAProxy's checks", timeout_s=_NOTICED_S, every_s=0.1)
        except TimedOut:
            return  # it checks nothing, or seldom; its retries are what is left

    def _is_balancer(self, container: Container) -> bool:
        bound = (container.attrs["HostConfig"].get("PortBindings") or {}).values()
        return any(one["HostPort"] == str(self._balancer.port) for bindings in bound for one in bindings or ())


def addresses(container: Container) -> frozenset[str]:
    """Return a container's own addresses in the project's networks; none for one that does not run."""
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return frozenset(network["IPAddress"] for network in networks if network["IPAddress"])


def _runs(container: Container) -> bool:
    return bool(container.attrs["State"]["Running"])
