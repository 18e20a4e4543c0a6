"""What ends a run from outside: Ctrl-C, SIGTERM, a terminal that was closed. Undoing comes before any of them."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """The first of these signals raises KeyboardInterrupt, once; every other one is noted and interrupts nothing.

    While something is undone (``held``) the first one waits as well, and is raised when that is over. Whoever cannot
    wait has SIGKILL: then the watchdog undoes.
    """

    def __init__(self) -> None:
        self.noted: list[str] = []
        """The names of the signals, in the order of their arrival."""
        self._open = True
        self._depth = 0
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def install(self) -> None:
        """Take these signals from now on; one that is ignored stays ignored (nohup, a job in the background)."""
        self.noted.clear()
        self._open = True
        for number in _ENDING:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and number not in self._before:
                self._before[number] = before
                signal.signal(number, self._take)

    def close(self) -> None:
        """Raise none from now on: the run is at its end, and what is left to do is short."""
        self._open = False

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        while self._before:
            signal.signal(*self._before.popitem())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt the body.

        Raises:
            KeyboardInterrupt: at its end, for the first signal that came meanwhile.
        """
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self.noted:
                self._raise()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.noted.append(signal.Signals(number).name)
        self._raise()

    def _raise(self) -> None:
        if self._open and not self._depth:
            self._open = False
            raise KeyboardInterrupt(self.noted[0])


INTERRUPTS = Interrupts()
"""Of this process: signals belong to the whole of it."""
