"""What a pod logs up to its end: its log goes away with it, so it is followed beforehand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from ...model import CannotObserve

if TYPE_CHECKING:
    from types import TracebackType

    from .api import Api

_TAIL_LINES = 20
_SILENCE_S = 60.0
_CLOSES_S = 3.0


class LastWords:
    """Follows the log of a pod for as long as the context lasts.

    Args:
        api: an account that may read logs.
        pod: whose.
    """

    def __init__(self, api: Api, pod: str) -> None:
        self._api, self._pod = api, pod
        self._lines: list[str] = []
        self._opened = threading.Event()
        self._whole = False
        self._follower = threading.Thread(target=self._follow, name=f"log of {pod}", daemon=True)

    @property
    def lines(self) -> tuple[str, ...] | None:
        """What it logged, some lines from before included; None when the log was not read to its end."""
        return tuple(self._lines) if self._whole else None

    def __enter__(self) -> Self:
        self._follower.start()
        self._opened.wait(_CLOSES_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.join(_CLOSES_S)

    def _follow(self) -> None:
        path = self._api.path("pods", f"{self._pod}/log")
        try:
            for line in self._api.lines(path, silence_s=_SILENCE_S, follow="true", tailLines=_TAIL_LINES):
                self._lines.append(line)
                self._opened.set()
            self._whole = True
        except CannotObserve:
            return
        finally:
            self._opened.set()
