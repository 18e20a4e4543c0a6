"""What the probes of one round share: a fact that several need is read once, by the first of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .observation import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    found: list[Any] = field(default_factory=list)
    broken: CannotObserve | None = None


class Shared:
    """Facts of one round, by name. A reason why one could not be read is shared as well."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    def once(self, name: str, read: Callable[[], V]) -> V:
        """Return what ``read`` gave the first who asked for this name. Raises CannotObserve, each time the same."""
        with self._lock:
            slot = self._slots.setdefault(name, _Slot())
        with slot.lock:
            if slot.broken is None and not slot.found:
                try:
                    slot.found.append(read())
                except CannotObserve as broken:
                    slot.broken = broken
            if slot.broken is not None:
                raise CannotObserve(slot.broken.reason, hint=slot.broken.hint)
            found: V = slot.found[0]
            return found
