"""Redis through its own protocol: does it answer PING, and who else is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..model import CannotObserve, Secret, System, Target
from .base import ReadingProbe
from .reach import reached

OWN_NAME = "drillbook"


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
class Redis(ReadingProbe[RedisState]):
    """PING and CLIENT LIST."""

    reading: ClassVar[type[RedisState]] = RedisState

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return the cache, when the environment names one."""
        return (Target(system, "redis"),) if system.redis_url is not None else ()

    def source(self, target: Target) -> str:
        """Return ``Redis`` with the reference that its address came from."""
        url = target.system.redis_url
        return f"Redis at {url.reference if isinstance(url, Secret) else url}"

    def observe(self, target: Target) -> RedisState:
        """Connect and ask. A refused connection is a reading; a refused login is a broken eye."""
        import redis  # noqa: PLC0415 - a tenth of a second that only this probe pays
        from redis.backoff import NoBackoff  # noqa: PLC0415 - as above
        from redis.retry import Retry  # noqa: PLC0415 - as above

        url = target.system.redis_url
        address, check = reached(target.system, "redis", url.reveal() if isinstance(url, Secret) else url or "")
        mend = f"check systems.{target.system.name}.redis.url"
        try:
            with redis.Redis.from_url(
                address,
                client_name=OWN_NAME,
                socket_connect_timeout=3,
                socket_timeout=3,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            ) as client:
                pong = bool(client.ping())
                own = str(client.client_id())
                rows = client.client_list(_type="normal")
        except (redis.AuthenticationError, redis.ResponseError, ValueError) as error:
            raise CannotObserve(str(error), mend=mend) from None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            check()
            return RedisState(pong=False, failure=str(error))
        clients: dict[str, int] = {}
        for row in rows:
            if row["id"] != own:
                clients[row["name"]] = clients.get(row["name"], 0) + 1
        return RedisState(pong=pong, clients=clients)
