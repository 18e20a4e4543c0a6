"""Create, read back and delete one configuration: one probe, several criteria, nothing left behind."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from drillbook.model import CannotObserve
from drillbook.probes.base import ReadingProbe
from drillbook.probes.http import Answer, base, per_instance, request

if TYPE_CHECKING:
    from drillbook.model import System, Target

ENVIRONMENT = "production"
VALUE = "test_value"


@dataclass(frozen=True, slots=True)
class Steps:
    """The answers of the four requests, in their order."""

    created: Answer
    read_back: Answer
    deleted: Answer
    after_delete: Answer


@dataclass(frozen=True)
class RoundTrip(ReadingProbe[Steps]):
    """Write a key that nobody else has into the namespace that the environment sets aside, and remove it again."""

    reading: ClassVar[type[Steps]] = Steps
    timeout_s: ClassVar[float] = 25.0

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

    def source(self, target: Target) -> str:
        """Return the route."""
        return f"POST, GET, DELETE, GET {base(target)}/api/v1/configs/{target.system.scratch_namespace}/..."

    def observe(self, target: Target) -> Steps:
        """Do the four steps; the deletion is sent also when an earlier step failed."""
        if target.system.scratch_namespace is None:
            raise CannotObserve(
                "the environment allows no writes",
                hint="set the system's mutations allowed and namespace to judge this",
            )
        key = f"startup-test-{secrets.token_hex(6)}"
        address = f"{base(target)}/api/v1/configs/{target.system.scratch_namespace}/{key}"
        with_environment = f"{address}?env={ENVIRONMENT}"
        body = {"value": VALUE, "env": ENVIRONMENT, "user": "drillbook"}
        try:
            created = request(target, "POST", address, json=dict(body))
            read_back = request(target, "GET", with_environment)
        finally:
            deleted = request(target, "DELETE", with_environment)
        return Steps(created, read_back, deleted, request(target, "GET", with_environment))
