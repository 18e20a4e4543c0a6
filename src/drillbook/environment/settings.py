"""The shape of an environment file, as pydantic holds it at the border."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from .. import addresses
from ..platforms.process.settings import ProcessTable

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


class TlsSettings(Strict):
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


class BasicSettings(Strict):
    """A login with a name and a password."""

    username: str | Reference
    password: Token


class AccessSettings(Strict):
    """How a component is asked over HTTP."""

    headers: Headers = Field(default_factory=dict)
    token: Token | None = None
    basic: BasicSettings | None = None
    tls: TlsSettings | None = None
    max_rps: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        logins = [name for name in ("token", "basic") if getattr(self, name) is not None]
        logins += [f"headers.{name}" for name in self.headers if name.lower() == "authorization"]
        if len(logins) > 1:
            raise ValueError(f"expected one login, not {' and '.join(logins)}")
        return self


class InstanceSettings(Strict):
    """One running copy of the API."""

    name: str = Field(min_length=1)
    url: Http
    metrics: Http | None = None
    log: Path | None = None
    tls: TlsSettings | None = None


class ApiSettings(AccessSettings):
    """The service itself: its public entry, and its instances where they can be reached one by one."""

    url: Http | None = None
    metrics: Http | None = None
    log: Path | None = None
    instances: tuple[InstanceSettings, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.instances]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected a name of its own for each of the instances, found {', '.join(twice)} twice")
        return self


class DatabaseSettings(Strict):
    """PostgreSQL or Redis by address."""

    url: Address
    through: Literal["platform"] | None = None


class PreflightSettings(Strict):
    """What must hold before a deploy; the ports default to the runbook's."""

    ports: tuple[Annotated[int, Field(gt=0, lt=65536)], ...] = (8080, 9090, 5432, 6379)
    resolve: tuple[str, ...] = ()
    external_url: Http | None = None


class MetricsSettings(AccessSettings):
    """How the metrics pages are asked, where not as the API itself."""


class PrometheusSettings(AccessSettings):
    """The Prometheus that watches the system."""

    url: Http
    through: Literal["platform"] | None = None


class ComposeSettings(Strict):
    """A Docker Compose project: where its containers are found, and its files."""

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    directory: Path | None = None
    host: str | None = Field(default=None, pattern=r"^(unix|tcp|ssh|npipe)://")
    balancer: str | None = Field(default=None, pattern=r"^tcp://[A-Za-z0-9_.-]+:[1-9][0-9]{0,4}/[A-Za-z0-9_.:-]+$")
    service: str = "llm-config-manager"
    port: Annotated[int, Field(gt=0, lt=65536)] = 8080
    metrics_port: Annotated[int, Field(gt=0, lt=65536)] = 9090


class SystemdSettings(Strict):
    """The host on which systemd runs the system, and the unit of each component."""

    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:\[\]-]*$")
    units: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:_.\\@-]*$")]] = Field(min_length=1)
    ssh_config: Path | None = None
    identity: Path | None = None
    known_hosts: Path | None = None


class SystemSettings(Strict):
    """One system in this environment."""

    version: str | Reference | None = None
    control: Path | None = None
    marker: Path | None = None
    """Of this system's place, where that can bear no mark itself; else the one under [disruption]."""
    process: ProcessTable | None = None
    systemd: SystemdSettings | None = None
    data_dir: Path = Path("/var/lib/llm-config")
    api: ApiSettings = Field(default_factory=ApiSettings)
    metrics: MetricsSettings | None = None
    postgres: DatabaseSettings | None = None
    redis: DatabaseSettings | None = None
    prometheus: PrometheusSettings | None = None
    preflight: PreflightSettings = Field(default_factory=PreflightSettings)

    @model_validator(mode="after")
    def _one_way_to_the_processes(self) -> Self:
        if self.control is not None and self.process is not None:
            raise ValueError("expected one of control (a lab's keeper) and process, not both")
        return self


class LabSettings(Strict):
    """Systems whose addresses come from the lab on this machine."""

    systems: tuple[str, ...] = Field(min_length=1)


class MutationSettings(Strict):
    """Whether checks may write, and where."""

    allowed: bool = False
    namespace: str = Field(default="drillbook", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")


class BlastRadius(Strict):
    """The most that may be hit at once, by all faults of this machine's runs together."""

    instances: Annotated[int, Field(ge=0)] = 1
    """Of all components of all systems; copies of one name in two systems are two."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of each component of each system."""


class AbortSettings(Strict):
    """What ends a fault early: too large a share of bad requests over the last seconds."""

    bad_share: Annotated[float, Field(gt=0, le=1)]
    over_s: Annotated[float, Field(gt=0, le=60)] = 3.0


class DisruptionSettings(Strict):
    """Whether faults may be injected here."""

    allowed: bool = False
    at_most: BlastRadius = Field(default_factory=BlastRadius)
    marker: Path | None = None
    abort_when: AbortSettings | None = None


class LoadSettings(Strict):
    """The most load that may be sent here."""

    max_rps: Annotated[float, Field(gt=0)]


class ObjectiveSettings(Strict):
    """What drills are judged by; the runbooks state no values."""

    rto_s: Seconds | None = None
    rpo_s: Annotated[float, Field(ge=0)] | None = None
    bad_after_ms: Annotated[float, Field(gt=0)] | None = None
    """From where on a client calls an answer bad, however right it is; each system's clients have their own default."""


class WaiverSettings(Strict):
    """A criterion that may fail for a while, with the person who answers for it."""

    id: str
    system: str | None = None
    """The system whose criterion it is; may be left out where the file has one system."""
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    expires: dt.date


class KubernetesSettings(Strict):
    """Where the pods are, with whose rights they are seen, and how they are reached."""

    kubeconfig: Path | Reference | None = None
    acts_with: Path | Reference | None = None
    context: str | None = None
    namespace: str = Field(default="llm-config", pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    components: dict[str, str] = Field(
        default={
            "api": "app=llm-config-manager",
            "postgres": "app=postgres",
            "redis": "app=redis",
            "prometheus": "app=prometheus",
        }
    )
    reach: Literal["port-forward", "address"] = "port-forward"
    api_port: Annotated[int, Field(gt=0, lt=65536)] = 8080
    metrics_port: Annotated[int, Field(gt=0, lt=65536)] = 9090


class EnvironmentFile(Strict):
    """The whole file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    platform: Literal["process", "compose", "kubernetes", "systemd"]
    compose: ComposeSettings | None = None
    clock_skew_s: Seconds = 2.0
    lab: LabSettings | None = None
    kubernetes: KubernetesSettings | None = None
    systems: dict[str, SystemSettings] = Field(default_factory=dict)
    mutations: MutationSettings = Field(default_factory=MutationSettings)
    disruption: DisruptionSettings = Field(default_factory=DisruptionSettings)
    load: LoadSettings | None = None
    objectives: ObjectiveSettings = Field(default_factory=ObjectiveSettings)
    waivers: tuple[WaiverSettings, ...] = ()
