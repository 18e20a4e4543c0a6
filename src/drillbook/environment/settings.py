"""The shape of an environment file, as pydantic holds it at the border; platforms and kinds have their own tables."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ..tables import Http, Port, Reference, Seconds, Strict


class PreflightSettings(Strict):
    """What must hold before a deploy."""

    ports: tuple[Port, ...] = ()
    resolve: tuple[str, ...] = ()
    external_url: Http | None = None


class MutationSettings(Strict):
    """Whether checks may write, and where."""

    allowed: bool = False
    namespace: str = Field(default="drillbook", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")


class ObjectiveSettings(Strict):
    """What a drill is judged by; the runbooks state no values."""

    rto_s: Seconds | None = None
    rpo_s: Annotated[float, Field(ge=0)] | None = None


class SystemSettings(Strict):
    """One system in this environment; beside these keys it may have one by its platform's name."""

    version: str | Reference | None = None
    absent: tuple[str, ...] = ()
    """Optional components that this environment does not have."""
    data_dir: Path | None = None
    """Whose disk a deploy needs room on; None for the one that the runbook names."""
    components: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By name; each is held by the table of its kind."""
    preflight: PreflightSettings = Field(default_factory=PreflightSettings)
    mutations: MutationSettings = Field(default_factory=MutationSettings)
    objectives: dict[str, ObjectiveSettings] = Field(default_factory=dict)
    """By name; ``*`` stands for every drill that has none of its own."""
    bad_after_ms: Annotated[float, Field(gt=0)] | None = None
    """From where on a client calls an answer bad, however right it is; each system's clients have their own default."""


class LabSettings(Strict):
    """Systems whose addresses come from the lab on this machine."""

    systems: tuple[str, ...] = Field(min_length=1)


class BlastRadius(Strict):
    """The most that may be hit at once, by all faults of this machine's runs together."""

    instances: Annotated[int, Field(ge=0)] = 1
    """Of all components of all systems; replicas of one name in two systems are two."""
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
    abort_when: AbortSettings | None = None


class LoadSettings(Strict):
    """The most load that may be sent here."""

    max_rps: Annotated[float, Field(gt=0)]


class WaiverSettings(Strict):
    """A criterion that may fail for a while, with the person who answers for it."""

    id: str
    system: str | None = None
    """The system whose criterion it is; may be left out where the file has one system."""
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    expires: dt.date


class EnvironmentFile(Strict):
    """The whole file; beside these keys it may have one by its platform's name, for all its systems."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    platform: str
    clock_skew_s: Seconds = 2.0
    lab: LabSettings | None = None
    systems: dict[str, SystemSettings] = Field(default_factory=dict)
    disruption: DisruptionSettings = Field(default_factory=DisruptionSettings)
    load: LoadSettings | None = None
    waivers: tuple[WaiverSettings, ...] = ()
