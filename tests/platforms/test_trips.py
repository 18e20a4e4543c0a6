"""Questions to one host travel together; the host here is a shell on this machine."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from drillbook.model import CannotObserve
from drillbook.platforms.trips import TIMED_OUT, Said, Trips, apart, together


class Host:
    """Runs scripts here, and remembers how often it was called."""

    def __init__(self, broken: CannotObserve | None = None) -> None:
        self.trips = 0
        self.broken = broken

    def send(self, script: str, limit_s: float) -> Said:
        self.trips += 1
        if self.broken is not None:
            raise self.broken
        done = subprocess.run(
            ["timeout", f"{limit_s:g}", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)


def at_once(questions: list[Callable[[], Said]]) -> list[Said | CannotObserve]:
    """Ask all at the same moment; return each one's answer or reason."""
    ready = threading.Barrier(len(questions))

    def ask(question: Callable[[], Said]) -> Said | CannotObserve:
        ready.wait()
        try:
            return question()
        except CannotObserve as broken:
            return broken

    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(ask, questions))


def asked(trips: Trips, scripts: list[str]) -> list[Said | CannotObserve]:
    return at_once([lambda script=script: trips.ask(script) for script in scripts])  # type: ignore[misc] # binds it


def test_each_question_gets_its_own_answer_with_status_and_complaint() -> None:
    host = Host()
    scripts = [f"printf 'out %s\\n\\n' {n}; echo 'err {n}' >&2; exit {n % 3}" for n in range(40)]
    answers = asked(Trips(host.send, 10, "host"), scripts)
    assert answers == [Said(n % 3, f"out {n}\n\n", f"err {n}\n") for n in range(40)]


def test_a_hundred_questions_take_few_trips() -> None:
    host = Host()
    answers = asked(Trips(host.send, 10, "host"), [f"echo {n}" for n in range(100)])
    assert [answer.out for answer in answers if isinstance(answer, Said)] == [f"{n}\n" for n in range(100)]
    assert host.trips < 50  # 4 when all ask at once; a busy machine starts a hundred threads in more than one go


def test_one_question_alone_travels_as_it_is() -> None:
    seen = []

    def send(script: str, limit_s: float) -> Said:
        seen.append((script, limit_s))
        return Said(0, "yes", "")

    assert Trips(send, 4, "host").ask("id -u") == Said(0, "yes", "")
    assert seen == [("id -u", 4)]


@pytest.mark.parametrize("script", ["exit 3", "exec 2>&1; kill -9 $$", "printf 'no end of line'", "unset x; ${x?gone}"])
def test_a_question_that_breaks_takes_no_other_with_it(script: str) -> None:
    answers = asked(Trips(Host().send, 10, "host"), [script] * 5 + [f"echo {n}" for n in range(15)])
    assert [answer.out for answer in answers[5:] if isinstance(answer, Said)] == [f"{n}\n" for n in range(15)]
    assert all(isinstance(answer, Said) for answer in answers)


def test_a_question_that_hangs_is_unanswered_and_the_rest_is_answered() -> None:
    began = time.monotonic()
    answers = asked(Trips(Host().send, 2, "host"), ["sleep 20", *(f"echo {n}" for n in range(19))])
    assert isinstance(answers[0], CannotObserve)
    assert answers[0].reason == "host: no answer within 2 s"
    assert [answer.out for answer in answers[1:] if isinstance(answer, Said)] == [f"{n}\n" for n in range(19)]
    assert time.monotonic() - began < 15


def test_a_trip_that_is_ended_gives_the_answers_that_it_had() -> None:
    said = Host().send(together(["echo early", "sleep 60", "sleep 60", "echo late"], "mark", 3), 6)
    answers = apart(said, "mark")
    assert said.status == TIMED_OUT
    assert answers[0] == Said(0, "early\n", "")
    assert answers[1].status == TIMED_OUT
    assert set(answers) <= {0, 1, 2}


def test_who_is_interrupted_while_collecting_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    trips = Trips(Host().send, 5, "host")
    monkeypatch.setattr(trips, "_another_comes", lambda _end: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trips.ask("echo first")
    monkeypatch.undo()
    assert trips.ask("echo second") == Said(0, "second\n", "")


def test_a_host_that_cannot_be_reached_is_said_to_everyone() -> None:
    host = Host(CannotObserve("ssh nowhere: Connection refused", hint="start sshd"))
    answers = asked(Trips(host.send, 1, "host"), ["true"] * 20)
    assert {(answer.reason, answer.hint) for answer in answers if isinstance(answer, CannotObserve)} == {
        ("ssh nowhere: Connection refused", "start sshd")
    }
    assert len(answers) == 20


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    def send(script: str, limit_s: float) -> Said:
        whole = Host().send(script, limit_s)
        if script.startswith("echo"):  # who comes late travels alone, and as it is
            return whole
        return Said(0, whole.out[: len(whole.out) // 2], whole.err)

    answers = asked(Trips(send, 10, "host"), [f"echo {n}" for n in range(16)])
    assert any(isinstance(answer, CannotObserve) for answer in answers)
    assert all(answer.out == f"{n}\n" for n, answer in enumerate(answers) if isinstance(answer, Said))


def test_what_is_too_long_for_one_trip_takes_two() -> None:
    answers = asked(Trips(Host().send, 10, "host"), [f"# {'x' * 20_000}\necho {n}" for n in range(12)])
    assert [answer.out for answer in answers if isinstance(answer, Said)] == [f"{n}\n" for n in range(12)]
