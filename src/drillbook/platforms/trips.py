"""Questions to one host that are asked at the same time travel together: a round trip a host, not one a question."""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from ..model import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUIET_S = 0.01
"""A trip begins when nobody has asked for so long ..."""
PATIENCE_S = 0.05
"""... or when the first question has waited so long; what is asked while all lanes are busy takes the next trip."""
LANES = 4
"""Trips at a time: the host has processors too, and a question that hangs must not hold up all others."""
_LONGEST = 24_000
"""Characters of questions in one trip; quoted three times over, they must fit into one argument (128 KiB)."""
TIMED_OUT = 124
"""How ``timeout`` says that it ended what it ran."""
_ENDED = "="
_CUT = "the trip ended before its answer came"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str


@dataclass
class _Question:
    script: str
    answered: threading.Event = field(default_factory=threading.Event)
    said: Said | None = None
    broken: CannotObserve | None = None

    def answer(self, said: Said | None, broken: CannotObserve | None = None) -> None:
        self.said, self.broken = said, broken
        self.answered.set()


class Trips:
    """Collects questions and sends them together.

    Args:
        send: runs one script on the host, ended with TIMED_OUT after so many seconds; raises CannotObserve.
        limit_s: how long one question may take on the host.
        host: its name, for reasons.
    """

    def __init__(self, send: Callable[[str, float], Said], limit_s: float, host: str) -> None:
        self._send, self._limit_s = send, limit_s
        self._slow = f"{host}: no answer within {limit_s:g} s"
        self._changed = threading.Condition()
        self._waiting: list[_Question] = []
        self._under_way = 0

    def ask(self, script: str) -> Said:
        """Return what a read-only script said; others that ask now share its round trip.

        Raises:
            CannotObserve: the host cannot be reached, or this question got no answer in time.
        """
        question = _Question(script)
        with self._changed:
            self._waiting.append(question)
            collects = len(self._waiting) == 1
            self._changed.notify_all()
        if collects:
            try:
                self._travel()
            except BaseException:  # Ctrl-C while collecting: nobody else must wait for ever
                with self._changed:
                    left, self._waiting = self._waiting, []
                _answer_open(left, CannotObserve(_CUT, hint="ask again"))
                raise
        question.answered.wait()  # whoever travels answers each question, whatever happens
        if question.said is None:
            reason = question.broken or CannotObserve(_CUT, hint="ask again")
            raise CannotObserve(reason.reason, hint=reason.hint)
        return question.said

    def _travel(self) -> None:
        """Collect what others ask now, and carry all of it over the lanes that are free."""
        with self._changed:
            end = time.monotonic() + PATIENCE_S
            while self._another_comes(end):
                pass
            self._changed.wait_for(lambda: self._under_way < LANES)
            found, self._waiting = self._waiting, []
            count = min(LANES - self._under_way, len(found))
            self._under_way += count
        lanes = [_loads(found[number::count]) for number in range(count)]
        for lane in lanes[1:]:
            threading.Thread(target=self._drive, args=(lane,), daemon=True).start()
        self._drive(lanes[0])

    def _another_comes(self, end: float) -> bool:
        known, left_s = len(self._waiting), end - time.monotonic()
        return left_s > 0 and self._changed.wait_for(lambda: len(self._waiting) > known, min(QUIET_S, left_s))

    def _drive(self, loads: list[list[_Question]]) -> None:
        try:
            for load in loads:
                try:
                    self._deliver(load)
                except CannotObserve as broken:
                    _answer_open(load, broken)
        finally:
            for load in loads:
                _answer_open(load, CannotObserve(_CUT, hint="look at the host's load"))
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _deliver(self, load: list[_Question]) -> None:
        """Send one script with all questions, and hand out the answers."""
        if len(load) == 1:
            answers = {0: self._send(load[0].script, self._limit_s)}
        else:
            mark = secrets.token_hex(8)  # no answer can contain it by accident
            script = together([question.script for question in load], mark, self._limit_s)
            answers = apart(self._send(script, self._limit_s * 2), mark)
        for number, question in enumerate(load):
            if number in answers and answers[number].status != TIMED_OUT:
                question.answer(answers[number])
        _answer_open(load, CannotObserve(self._slow, hint="look at the host's load"))


def together(scripts: Sequence[str], mark: str, limit_s: float) -> str:
    """Return one script that runs all of them in turn and marks where each answer begins and how it ended."""
    say = f"say() {{ printf '\\n{mark} %s\\n' \"$1\"; }}"
    run = f"timeout {limit_s:g} sh -c"
    each = [
        f'say {number}; say {number} >&2; {run} {shlex.quote(script)} </dev/null; say "{_ENDED} $?"'
        for number, script in enumerate(scripts)
    ]
    return "\n".join([say, *each])


def apart(said: Said, mark: str) -> dict[int, Said]:
    """Return the answers by number; one whose end is not there is left out."""
    errors = dict(_parts(said.err, mark))
    parts = _parts(said.out, mark)
    found = {}
    for (number, out), (sign, status) in pairwise(parts):
        if sign == _ENDED:
            found[int(number)] = Said(int(status), out, errors.get(number, ""))
    return found


def _parts(text: str, mark: str) -> list[tuple[str, str]]:
    """Return what stands behind each mark: its number with the text up to the next, or the sign of an end."""
    found = [part.partition("\n") for part in text.split(f"\n{mark} ")[1:]]
    return [(head[:1], head[2:]) if head.startswith(_ENDED) else (head, rest) for head, _, rest in found]


def _loads(questions: list[_Question]) -> list[list[_Question]]:
    """Split what one lane carries into trips of bounded size."""
    loads: list[list[_Question]] = []
    size = 0
    for question in questions:
        if not loads or size + len(question.script) > _LONGEST:
            loads.append([])
            size = 0
        loads[-1].append(question)
        size += len(question.script)
    return loads


def _answer_open(questions: list[_Question], broken: CannotObserve) -> None:
    for question in questions:
        if not question.answered.is_set():
            question.answer(None, broken)
