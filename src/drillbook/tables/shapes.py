"""Shapes that several tables of an environment file share, as pydantic holds them at the border."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from .. import addresses

_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "cookie"}


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt limit must not silently be no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Reference(Strict):
    """A secret that lives elsewhere: ``{ env = "NAME" }`` or ``{ file = "path" }``."""

    env: str | None = None
    file: Path | None = None


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    if addresses.parse(url).username is not None:
        raise ValueError("expected an address without a user in it; put the login into basic, token or headers")
    return url.rstrip("/")


def _headers(headers: dict[str, str | Reference]) -> dict[str, str | Reference]:
    for name, value in headers.items():
        if name.lower() in _SECRET_HEADERS and isinstance(value, str):
            raise ValueError(f'expected a reference for {name}, like {{ env = "NAME" }}')
    return headers


def _no_password(url: str | Reference) -> str | Reference:
    if isinstance(url, str) and addresses.has_password(url):
        raise ValueError('expected a reference for an address with a password, like { env = "NAME" }')
    return url


def _reference_only(value: str | Reference) -> Reference:
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic takes ValueError for a finding
            'expected a reference, like { env = "NAME" } or { file = "path" }, not the secret'
        )
    return value


Http = Annotated[str, AfterValidator(_http)]
Headers = Annotated[dict[str, str | Reference], AfterValidator(_headers)]
Address = Annotated[str | Reference, AfterValidator(_no_password)]
Token = Annotated[str | Reference, AfterValidator(_reference_only)]
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(gt=0, lt=65536)]


class TlsTable(Strict):
    """Whom to trust and who we are, as in Prometheus' ``tls_config``; verification cannot be turned off."""

    ca_file: Path | Reference | None = None
    cert_file: Path | Reference | None = None
    key_file: Path | Reference | None = None
    server_name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("expected cert_file and key_file together")
        return self


class BasicTable(Strict):
    """A login with a name and a password."""

    username: str | Reference
    password: Token


class AccessTable(Strict):
    """How something is asked over HTTP."""

    headers: Headers = Field(default_factory=dict)
    token: Token | None = None
    basic: BasicTable | None = None
    tls: TlsTable | None = None
    max_rps: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        logins = [name for name in ("token", "basic") if getattr(self, name) is not None]
        logins += [f"headers.{name}" for name in self.headers if name.lower() == "authorization"]
        if len(logins) > 1:
            raise ValueError(f"expected one login, not {' and '.join(logins)}")
        return self


class ComponentTable(Strict):
    """What every component may say, whatever its kind."""

    kind: str = "http"
    through: Literal["direct", "platform"] = "direct"
    """Whether its address is reached as it stands, or by the platform's own way (a port-forward)."""


class InstanceTable(Strict):
    """One running replica of a component."""

    name: str = Field(min_length=1)
    url: Http
    metrics: Http | None = None
    log: Path | None = None
    tls: TlsTable | None = None


class HttpTable(ComponentTable, AccessTable):
    """A component that is asked over HTTP: its public entry, and its instances where they can be reached one by one."""

    url: Http | None = None
    metrics: Http | None = None
    """The metrics page."""
    metrics_access: AccessTable | None = None
    """How the metrics pages are asked, where not as the component itself."""
    log: Path | None = None
    instances: tuple[InstanceTable, ...] = ()
    ports: dict[Literal["http", "metrics"], Port] = Field(default_factory=dict)
    """Where the instances listen that the platform is asked for."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.instances]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected a name of its own for each of the instances, found {', '.join(twice)} twice")
        return self


class PageTable(ComponentTable, AccessTable):
    """A component that is asked over HTTP at one address."""

    url: Http


class DatabaseTable(ComponentTable):
    """A component with an address of its own scheme, login and all."""

    url: Address
