"""Redis through its own protocol: does it answer PING, and who else is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from .. import outbound
from ..kinds import Kind
from ..model import CannotObserve, Target
from ..tables import DatabaseTable
from .reach import AddressedProbe, address_of, reached, shown_address_of
from .redis_address import unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

V = TypeVar("V")

KIND = Kind("redis", DatabaseTable, unusable, port=6379, stands_for="the cache")
OWN_NAME = "drillbook"
_DEADLINE_S = 25.0
"""The way there, two addresses, a login and the questions: 3 s each, 6 s for the way."""


class _RedisProbe(AddressedProbe[V]):
    """A probe of a cache."""

    what: ClassVar[str] = "Redis"
    timeout_s: ClassVar[float] = _DEADLINE_S

    def source(self, target: Target) -> str:
        """Return ``Redis`` with the reference that its address came from."""
        return f"Redis at {shown_address_of(target, self.of)}"


@dataclass(frozen=True, slots=True)
class RedisState:
    """What the server answers, or why it refuses."""

    pong: bool
    failure: str | None = None
    clients: dict[str, int] = field(default_factory=dict)
    """Ordinary client connections by name, without the probing session."""

    def application_clients(self) -> int:
        """Count the connections that are neither this probe's nor another Drillbook's."""
        return sum(count for name, count in self.clients.items() if name != OWN_NAME)


@dataclass(frozen=True)
class Redis(_RedisProbe[RedisState]):
    """PING and CLIENT LIST."""

    of: str = field(default="redis", repr=False)
    """Which component."""
    reading: ClassVar[type[RedisState]] = RedisState

    def observe(self, target: Target) -> RedisState:
        """Connect and ask. A refused connection is a reading; a refused login is a broken eye."""
        found = _asked(target, _state)
        return RedisState(pong=False, failure=found) if isinstance(found, str) else found


@dataclass(frozen=True, slots=True)
class Topology:
    """How a server works together with others, or why it does not answer."""

    role: str = ""
    online: int = 0
    """Its replicas that are in step."""
    cluster_enabled: bool = False
    cluster_state: str = ""
    slots: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class RedisTopology(_RedisProbe[Topology]):
    """INFO, and CLUSTER INFO where cluster mode is on."""

    of: str = field(default="redis", repr=False)
    """Which component."""
    reading: ClassVar[type[Topology]] = Topology

    def observe(self, target: Target) -> Topology:
        """Connect and ask. Readings and errors as of Redis."""
        found = _asked(target, _topology)
        return Topology(failure=found) if isinstance(found, str) else found


def _asked(target: Target, ask: Callable[[redis.Redis], V]) -> V | str:
    """Connect and ask; return the failure's text for a refused connection. Raises CannotObserve for the rest."""
    import redis  # noqa: PLC0415 - a tenth of a second that only this probe pays
    from redis.backoff import NoBackoff  # noqa: PLC0415 - as above
    from redis.retry import Retry  # noqa: PLC0415 - as above

    component = target.name
    address, check = reached(target.system, component, address_of(target, component))
    hint = f"check systems.{target.system.name}.components.{component}.url"
    try:
        with redis.Redis.from_url(
            address,
            client_name=OWN_NAME,
            socket_connect_timeout=3,
            socket_timeout=3,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        ) as client:
            return ask(client)
    except (redis.AuthenticationError, redis.ResponseError, ValueError) as error:
        raise CannotObserve(str(error), hint=hint) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        refused = outbound.refusal(error)
        if outbound.is_about_our_files(error) or (refused is not None and refused.by_server):
            raise CannotObserve(str(error), hint=f"{hint} and the files of its ssl_ options") from None
        check()
        return str(error)


def _state(client: redis.Redis) -> RedisState:
    pong = bool(client.ping())
    own = str(client.client_id())
    clients: dict[str, int] = {}
    for row in client.client_list(_type="normal"):
        if row["id"] != own:
            clients[row["name"]] = clients.get(row["name"], 0) + 1
    return RedisState(pong=pong, clients=clients)


def _topology(client: redis.Redis) -> Topology:
    info: Any = client.info("replication")
    enabled = bool(cast("Any", client.info("cluster")).get("cluster_enabled"))
    slots: dict[str, str] = {}
    if enabled:
        text = str(client.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call] # redis types it not
        slots = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    return Topology(
        role=str(info.get("role", "")),
        online=sum(one.get("state") == "online" for one in replicas),
        cluster_enabled=enabled,
        cluster_state=slots.get("cluster_state", ""),
        slots=int(slots.get("cluster_slots_assigned", 0)),
    )
