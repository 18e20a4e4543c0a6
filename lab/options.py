"""What a user may choose about a lab."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from .config_manager.processes import SERVICE
from .config_manager.service.defects import Defect
from .errors import LabError

DEFECTS = tuple(defect.value for defect in Defect)
"""What the reference service can be started with."""


@dataclass(frozen=True)
class Options:
    """One lab's make-up.

    Attributes:
        instances: how many copies of the service.
        version: what they say they are.
        defects: planted defects as given: ``NAME`` for all instances, ``NAME=api-2`` for one.
        service: the Python module that is run as an instance.
    """

    instances: int = 2
    version: str = "1.0.0"
    defects: tuple[str, ...] = ()
    service: str = SERVICE

    def __post_init__(self) -> None:
        if self.instances < 1:
            raise LabError(f"expected at least 1 instance, got {self.instances}")
        for defect in self.defects:
            name, _, where = defect.partition("=")
            if not name or (where and where not in self.names) or defect.endswith("="):
                known = ", ".join(self.names)
                raise LabError(f"expected NAME or NAME=INSTANCE with one of {known}, got --defect {defect}")
            if self.service == SERVICE and name not in DEFECTS:
                raise LabError(_unknown(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the instances."""
        return tuple(f"api-{number}" for number in range(1, self.instances + 1))

    def defects_of(self, instance: str) -> tuple[str, ...]:
        """Return the defects planted into one instance."""
        pairs = (defect.partition("=") for defect in self.defects)
        return tuple(name for name, _, where in pairs if where in ("", instance))

    def argv(self) -> list[str]:
        """Return them as a command line has them."""
        given = ["--instances", str(self.instances), "--version", self.version, "--service", self.service]
        return given + [part for defect in self.defects for part in ("--defect", defect)]


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, DEFECTS, n=3, cutoff=0.4)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"--defect {name}: the service cannot be started with it; {meant}It knows {', '.join(DEFECTS)}. Some rows of "
        f"lab/defects.toml are no such defects but done from outside, as by `drillbook lab stop redis`"
    )
