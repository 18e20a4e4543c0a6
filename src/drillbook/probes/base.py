"""What all probes share: readings are frozen dataclasses that travel as JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from ..model import Json, System, Target

V = TypeVar("V")


class ReadingProbe(Generic[V]):
    """Base of the probes: subclasses are frozen dataclasses that name their reading's type and observe it."""

    reading: ClassVar[type[Any]]
    timeout_s: ClassVar[float] = 10.0
    """Longer than what ``observe`` waits for: its own limits say what did not answer, this one only that nobody did."""
    together: ClassVar[bool] = False
    """Whether its readings travel with others of the same host, so that none need wait for its turn."""

    @property
    def key(self) -> str:
        """The probe with all its fields: equal probes share one observation.

        The component stands in it where it is another than the probe's own default, so that a name which was given to
        the default does not part a run's journal from one that was written before.
        """
        of = next((field for field in fields(self) if field.name == "of"), None)  # type: ignore[arg-type] # a dataclass
        named = None if of is None else getattr(self, "of", of.default)
        return repr(self) if of is None or named == of.default else f"{self!r} of {named}"

    def blind(self, system: System) -> str | None:  # noqa: ARG002 - subclasses that need a platform, or an address, ask
        """Return why it can never look at this system, by the environment file alone; nothing hinders most probes."""
        return None

    def targets(self, system: System) -> tuple[Target, ...]:
        """Return what to read. Subclasses say."""
        raise NotImplementedError

    def encode(self, reading: V) -> Json:
        """Return the reading as JSON."""
        encoded: Json = _adapter(self.reading).dump_python(reading, mode="json")
        return encoded

    def decode(self, value: Json) -> V:
        """Return the reading from JSON. Raises ValueError when it is not one."""
        decoded: V = _adapter(self.reading).validate_python(value)
        return decoded


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(reading: type[Any]) -> TypeAdapter[Any]:
    """Return the converter of a reading's type, built when the first such reading was taken."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - needed only once something was read

    if reading not in _adapters:
        _adapters[reading] = TypeAdapter(reading)
    return _adapters[reading]
