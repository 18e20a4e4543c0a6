"""Addresses and named logs, and nothing that runs them: what a user, or a pipeline far away, can see of a system.

It lists nothing, starts nothing and stops nothing, so no fault can be done here. What only a platform could see is not
judged; which that is follows from the environment file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from ..capabilities import BearsMarks, Missing, ReadsLogs
from ..marker_file import MarkerFile
from ..named_logs import NamedLogs
from .settings import Addresses

if TYPE_CHECKING:
    from ...model import System

C = TypeVar("C")


class AddressPlatform:
    """No platform: the environment file's addresses."""

    OFFERS = frozenset({ReadsLogs, BearsMarks})

    def __init__(self, system: System) -> None:
        self._name = system.name
        self._where = system.place.held_as(Addresses) or Addresses()

    def place(self, of: str | None = None) -> str:  # noqa: ARG002 - nothing is known of where its components are
        """Return where the system is, in words: nobody knows which systems share a place, so each has its own."""
        return f"the addresses of {self._name}"

    def components(self) -> tuple[str, ...]:
        """Return nothing: nobody knows where they are."""
        return ()

    def can(self, capability: type[C], of: str | None = None) -> C | Missing:  # noqa: ARG002 - as above
        """Return the capability, or Missing with the reason."""
        if capability is ReadsLogs:
            return cast("C", NamedLogs(self._name))
        if capability is BearsMarks and self._where.marker is not None:
            return cast("C", MarkerFile(self._where.marker))
        return Missing(
            f"{self._name} is seen by its addresses alone, and they have no {capability.__name__}; "
            "name the platform that runs it in the environment file"
        )


PLATFORM = AddressPlatform
