"""The runner's hold on a sending process: start it, read what it wrote, notice its death, end it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, NoReturn

from ..model import CannotObserve
from ..polling import wait_until

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]
"""One line as it was read; parsed by whoever knows the kind of file."""

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
_SAID_LIMIT = 600


def parse_lines(data: bytes) -> list[Row]:
    """Parse whole lines, each one JSON object."""
    return [json.loads(line) for line in data.splitlines()]


def read_rows(file: Path) -> list[Row]:
    """Read a finished file; a last line that was torn by a kill is left out."""
    data = file.read_bytes()
    return parse_lines(data[: data.rfind(b"\n") + 1])


class Child:
    """One sending process. What it writes is read from its file, so it survives the death of either side."""

    def __init__(self, module: str, orders: bytes, file: Path) -> None:
        self._module = module
        self._orders = orders
        self.file = file
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._read_bytes = 0
        self._began: Row | None = None
        self._ended: Row | None = None
        self._stopped = False
        self._error: CannotObserve | None = None

    @property
    def running(self) -> bool:
        """Whether the process was started and not yet stopped."""
        return self._process is not None and not self._stopped

    @property
    def pid(self) -> int | None:
        """The process id once started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process and wait until it sends. Raises CannotObserve, and FileExistsError for a used file."""
        if self._process is not None:
            raise RuntimeError(f"{self._module} was already started")
        self.file.touch(mode=0o600, exist_ok=False)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,  # an interrupt typed at the terminal is for the runner, which then stops us
        )
        try:
            self._give(self._process, self._orders)
            wait_until(self._has_begun, what=f"{self._module} to begin", timeout_s=START_TIMEOUT_S, every_s=0.02)
        except BaseException:
            self.kill()
            raise

    def rows(self) -> list[Row]:
        """Return what was written since the last call, without begin and end. Raises CannotObserve at its death."""
        if self._process is None or self._error is not None:
            raise self._error or self._died()
        dead = self._process.poll() is not None
        if self._stopped:
            return []
        found = self._new_rows()
        if dead:
            self._fail()
        return found

    def stop(self) -> list[Row]:
        """End the process within ``STOP_TIMEOUT_S`` and return the rest of what it wrote. Raises CannotObserve."""
        process = self._process
        if process is None or self._error is not None:
            raise self._error or self._died()
        if self._stopped:
            return []
        self._close_stdin(process)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        found = self._new_rows()
        if process.returncode != 0 or self._ended is None or self._ended["reason"] != "asked":
            self._fail()
        self._stopped = True
        self._close_said()
        return found

    def kill(self) -> None:
        """End the process at once and reap it; nothing happens when it has ended."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
            self._close_stdin(self._process)
        self._close_said()

    def _fail(self) -> NoReturn:
        """Remember the death, so that no later call passes over it."""
        self._error = self._died()
        self.kill()
        raise self._error

    @staticmethod
    def _give(process: subprocess.Popen[bytes], orders: bytes) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(orders + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return  # it is dead, which the wait for its beginning finds and explains

    @staticmethod
    def _close_stdin(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.close()
        except BrokenPipeError:
            return  # it is dead already

    def _has_begun(self) -> bool:
        assert self._process is not None
        dead = self._process.poll() is not None
        self._read_begin()
        if dead and self._began is None:
            raise self._died()
        return self._began is not None

    def _read_begin(self) -> None:
        with self.file.open("rb") as stream:
            line = stream.readline()
        if line.endswith(b"\n"):
            self._began = json.loads(line)
            self._read_bytes = len(line)

    def _new_rows(self) -> list[Row]:
        with self.file.open("rb") as stream:
            stream.seek(self._read_bytes)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        rows = parse_lines(whole)
        if rows and rows[-1].get("k") == "end":
            self._ended = rows.pop()
        return rows

    def _died(self) -> CannotObserve:
        hint = f"read {self.file} for what was seen until then"
        if self._process is None:
            return CannotObserve(f"{self._module} was not started", hint="call start() first")
        if self._ended is not None and self._ended.get("reason") == "max_duration":
            return CannotObserve(
                f"{self._module} came to the end of max_duration_s before it was stopped",
                hint=f"raise max_duration_s; {hint}",
            )
        status = self._process.poll()
        return CannotObserve(f"{self._module} ended by itself with status {status}{self._last_words()}", hint=hint)

    def _close_said(self) -> None:
        if self._said is not None:
            self._said.close()

    def _last_words(self) -> str:
        if self._said is None or self._said.closed:
            return ""
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip()
        return f": {said[-_SAID_LIMIT:]}" if said else ""
