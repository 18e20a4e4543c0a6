"""The metrics page of each instance."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import ClassVar

from ..model import CannotObserve, System, Target
from .base import ReadingProbe
from .blindness import unnamed
from .exposition import Family, NotMetrics, families
from .http import REQUEST_S, Answer, fetch, per_instance

_BEFORE_S = 1.5
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exposition:
    """A metrics page: the answer, and the families by the names that their samples carry."""

    answer: Answer
    families: dict[str, Family] = field(default_factory=dict)


@dataclass(frozen=True)
class Metrics(ReadingProbe[Exposition]):
    """The metrics page of every instance.

    Attributes:
        after: a path of the API that is asked before the page, whatever it answers: a counter that has counted nothing
            yet has no samples, and right after a deploy nobody has asked for anything (runbook defect CM-18).
    """

    after: str | None = None
    reading: ClassVar[type[Exposition]] = Exposition
    timeout_s: ClassVar[float] = _BEFORE_S + REQUEST_S + 10.0  # reading a page of many megabytes is our own time

    def blind(self, system: System) -> str | None:
        """Return why there is no metrics page."""
        return unnamed(system, "metrics page", "api.metrics", named=any(one.metrics_url for one in system.instances))

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return every instance of the API."""
        return per_instance(system)

    def source(self, target: Target) -> str:
        """Return ``GET <address of the metrics page>``."""
        return f"GET {_address(target) or 'metrics'}"

    def observe(self, target: Target) -> Exposition:
        """Fetch and parse the page. Raises CannotObserve when no address is named or the page is no exposition."""
        url = _address(target)
        if url is None:
            raise CannotObserve(
                "the environment names no metrics address",
                hint=f"set metrics for {target.name} under systems.{target.system.name}.components.api",
            )
        assert target.instance is not None
        if self.after is not None and target.instance.url:
            with contextlib.suppress(CannotObserve):  # others judge what it answers
                fetch(target, "GET", target.instance.url.rstrip("/") + self.after, timeout_s=_BEFORE_S)
        answer, text = fetch(target, "GET", url, access=target.instance.metrics_access, largest=_LARGEST)
        if answer.failure or answer.status is None or answer.status >= 400:  # noqa: PLR2004 - RFC 9110
            return Exposition(answer)
        return Exposition(answer, parse(text))


def parse(text: str) -> dict[str, Family]:
    """Return the families of a page by the names that their samples carry. Raises CannotObserve."""
    try:
        return families(text)
    except NotMetrics as error:
        raise CannotObserve(
            f"not a Prometheus exposition: {error}", hint="check the metrics address in the environment file"
        ) from None


def _address(target: Target) -> str | None:
    assert target.instance is not None
    return target.instance.metrics_url
