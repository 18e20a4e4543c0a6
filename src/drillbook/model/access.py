"""How a component is asked over HTTP: what requests carry, whom they trust, and who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .secret import Secret


@dataclass(frozen=True, slots=True)
class Tls:
    """What a client trusts and shows in TLS, in the words of the usual ``tls_config``.

    There is no way to skip the verification: a verdict about an unverified server would be one about anybody.
    """

    ca_file: Path | None = None
    """Certificates to trust instead of the system's own."""
    cert_file: Path | None = None
    key_file: Path | None = None
    """The private key of ``cert_file``; both or none."""
    server_name: str | None = None
    """The name that the certificate must bear, where it is not the address's own (also sent as SNI)."""


@dataclass(frozen=True, slots=True)
class Access:
    """How requests to one component are sent."""

    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    """With the login, where there is one."""
    tls: Tls | None = None
    """None for the defaults: the system's own certificates, and none to show."""
    direct: bool = False
    """Whether no proxy may stand between: an address that Drillbook found by itself, or a forward that it opened."""
    key: str | None = None
    """Where the environment file says all this, to be named in advice; None for the API's table."""
    max_rps: float | None = None
    """The most requests a second under ``key``; the API's is the system's own."""

    @property
    def logs_in(self) -> bool:
        """Whether requests carry a login, so that a 401 is about us."""
        return any(name.lower() == "authorization" or isinstance(value, Secret) for name, value in self.headers.items())
