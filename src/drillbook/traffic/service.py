"""What traffic is sent to: the addresses of a service, and the shape of its keyed API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from ..model import Secret


@dataclass(frozen=True, slots=True)
class Service:
    """One service as its client knows it: a single address, or the list of its instances.

    With several addresses the client stays with the one that served it last and goes to the next only when it could
    not connect, that is before anything was sent. A request that was sent is never sent again.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    ca_file: Path | None = None
    """Certificates to trust instead of the system's own."""

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("a service needs at least one address")
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("expected an address that begins with http:// or https://")

    def address(self) -> Address:
        """Return the addresses with the secrets in plain text, for the one client that needs them."""
        return Address(
            urls=tuple(url.rstrip("/") for url in self.urls),
            headers={
                name: value.reveal() if isinstance(value, Secret) else value for name, value in self.headers.items()
            },
            ca_file=str(self.ca_file) if self.ca_file else None,
        )


@dataclass(frozen=True, slots=True)
class Address:
    """A service with its headers in plain text; passed through a pipe, never through arguments or files."""

    urls: tuple[str, ...]
    headers: dict[str, str] = field(repr=False)
    ca_file: str | None


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
