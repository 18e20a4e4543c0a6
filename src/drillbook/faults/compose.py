"""The undo of harm to containers of a Compose project: named by project and container, on the engine that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model import CannotObserve, ComposeProject
from ..platforms import InstanceState, PlatformRefused
from ..platforms.compose import Project
from .undo import BadUndo, Undo, register, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Json

START = "compose.start"
UNPAUSE = "compose.unpause"
_KINDS = {"start": START, "resume": UNPAUSE}


def undo(project: ComposeProject, verb: str, names: tuple[str, ...]) -> Undo:
    """Return what takes such a harm back on this platform.

    Args:
        project: whose containers they are.
        verb: start or resume.
        names: the containers' names, without the project's.
    """
    data: dict[str, Json] = {"project": project.name, "host": project.host, "containers": list(names)}
    data["balancer"] = project.balancer
    return Undo(_KINDS[verb], data)


@dataclass(frozen=True, slots=True)
class _Back:
    """Brings containers back out of one state; what is in another one is another fault's to undo."""

    project: ComposeProject
    names: tuple[str, ...]
    out_of: str
    """exited or paused."""

    def healed(self) -> str | None:
        """Return the evidence that none is in that state, and none on its way out of it, or None."""
        states = self._look()
        if isinstance(states, str):
            return states
        if any(state.state == self.out_of for state in states):
            return None
        if self.out_of == "exited" and any(state.state not in ("running", "paused") for state in states):
            return None
        return "; ".join(f"{state.name} {state.state} (pid {state.pid})" for state in states)

    def heal(self) -> bool:
        """Start or unpause each one that needs it. Raises CannotObserve, PlatformRefused."""
        states = self._look()
        harms = ("exited", "stopping") if self.out_of == "exited" else (self.out_of,)  # up, and kept from work
        harmed = [] if isinstance(states, str) else [one.name for one in states if one.state in harms]
        project = Project(self.project)
        act = project.start if self.out_of == "exited" else project.resume
        failed: list[PlatformRefused] = []
        for name in harmed:
            try:
                act(name)
            except PlatformRefused as error:
                failed.append(error)
        if failed:
            raise PlatformRefused("; ".join(error.reason for error in failed), mend=failed[0].mend)
        return bool(harmed)

    def _look(self) -> tuple[InstanceState, ...] | str:
        """Return the containers' states, or the evidence that the whole project is gone. Raises CannotObserve."""
        states = Project(self.project).list_instances()
        if not states:
            return f"project {self.project.name} has no containers any more"
        found = tuple(state for state in states if state.name in self.names)
        if len(found) != len(set(self.names)):
            missing = sorted(set(self.names) - {state.name for state in found})
            raise CannotObserve(f"{', '.join(missing)} not listed any more", mend="look at the project")
        return found


def _parse(data: Mapping[str, Json], out_of: str) -> _Back:
    host, balancer = _text_or_none(data, "host"), _text_or_none(data, "balancer")
    project = ComposeProject(text(data, "project"), host=host, balancer=balancer)
    return _Back(project, texts(data, "containers"), out_of)


def _text_or_none(data: Mapping[str, Json], key: str) -> str | None:
    found = data.get(key)
    if found is not None and not isinstance(found, str):
        raise BadUndo(f"expected {key} to be a text or null, got {found!r}")
    return found


register(START, lambda data: _parse(data, "exited"))
register(UNPAUSE, lambda data: _parse(data, "paused"))
