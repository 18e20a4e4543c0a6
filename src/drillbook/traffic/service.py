"""What traffic is sent to: the addresses of a service, and the shape of its keyed API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from .. import addresses, outbound
from ..model import Instance, Secret, Tls
from ..outbound import Proxy


@dataclass(frozen=True, slots=True)
class Service:
    """One service as its client knows it: a single address, or the list of its instances.

    With several addresses the client stays with the one that served it last and goes to the next only when it could
    not connect, that is before anything was sent. A request that was sent is never sent again.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    tls: tuple[Tls | None, ...] = ()
    """What is trusted and shown at each address; empty for the defaults at all of them."""
    direct: bool = False
    """Whether no proxy may stand between."""
    max_rps: float | None = None
    """The most requests a second; a sender with a rate of its own is given one within it."""

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("a service needs at least one address")
        for url in self.urls:
            parts = addresses.parse(url)
            if parts.scheme not in ("http", "https") or not parts.host:
                raise ValueError("expected an address that begins with http:// or https://")
        if self.tls and len(self.tls) != len(self.urls):
            raise ValueError("expected TLS settings for each address or for none")

    @classmethod
    def of(cls, instances: Iterable[Instance], *, max_rps: float | None = None) -> Service:
        """Return the service that these instances are, each asked as the environment says."""
        found = [one for one in instances if one.url]
        return cls(
            urls=tuple(one.url for one in found if one.url),
            headers={name: value for one in found for name, value in one.headers.items()},
            tls=tuple(one.tls for one in found),
            direct=any(one.direct for one in found),
            max_rps=max_rps,
        )

    def address(self) -> Address:
        """Return the addresses with the secrets in plain text, for the one client that needs them.

        Raises:
            CannotObserve: the variables name a proxy of a kind that is not spoken here.
        """
        return Address(
            urls=tuple(url.rstrip("/") for url in self.urls),
            headers=outbound.revealed(self.headers),
            tls=self.tls or (None,) * len(self.urls),
            proxies=tuple(outbound.proxy_for(url, direct=self.direct) for url in self.urls),
        )


@dataclass(frozen=True, slots=True)
class Address:
    """A service with its secrets in plain text; passed through a pipe or a private file, never through arguments."""

    urls: tuple[str, ...]
    headers: dict[str, str] = field(repr=False)
    tls: tuple[Tls | None, ...]
    """For each address, as are the proxies."""
    proxies: tuple[Proxy | None, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a keyed API. ``{key}`` in the path and ``{value}`` in the body are replaced, nothing else."""

    method: str
    path: str
    expected: tuple[int, ...]
    """Statuses that mean: done."""
    body: str | None = None
    absent: tuple[int, ...] = ()
    """Statuses that mean: there is no such key."""

    def path_for(self, key: str) -> str:
        """Return the path of one key."""
        return self.path.replace("{key}", quote(key, safe=""))

    def body_for(self, value: str) -> bytes | None:
        """Return the body that carries one value. Values are plain ASCII without quotes."""
        return None if self.body is None else self.body.replace("{value}", value).encode()


@dataclass(frozen=True, slots=True)
class KeyedApi:
    """How a system writes, reads and deletes one value under one key; each system brings its own."""

    write: Call
    read: Call
    delete: Call
    value_at: tuple[str, ...] = ("value",)
    """The steps from the root of a read's JSON answer to the value."""
    content_type: str = "application/json"

    def __post_init__(self) -> None:
        for call in (self.write, self.read, self.delete):
            if "{key}" not in call.path:
                raise ValueError(f"{call.method} {call.path} does not say where the key goes: {{key}}")
        if "{value}" not in (self.write.body or ""):
            raise ValueError("the write's body does not say where the value goes: {value}")
