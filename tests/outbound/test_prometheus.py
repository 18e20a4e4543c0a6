"""An answer of Prometheus that is not whole, or is none, says nothing of its targets."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from drillbook.accepts import prometheus
from drillbook.model import CannotObserve, Facts, Finding, Outcome, System, Target
from drillbook.probes.prometheus import Targets
from tests import systems

FACTS = Facts("process", None, clock_skew_s=2.0)
Play = Callable[..., System]


def ago(seconds: float) -> str:
    """Stand for a time so long ago; it is put in when the page is played, which may be long after collection."""
    return f"@{seconds}@"


def dated(page: str) -> str:
    """Put the times in, as Go writes them, with nanoseconds."""
    now = dt.datetime.now(dt.UTC)
    return re.sub(
        r"@([\d.]+)@",
        lambda found: (now - dt.timedelta(seconds=float(found[1]))).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
        page,
    )


def target(number: int, *, last: str | None = None, **other: Any) -> dict[str, Any]:
    return {
        "labels": {"job": "config"},
        "scrapeUrl": f"http://10.0.0.{number}:9090/metrics",
        "health": "up",
        "lastScrape": last or ago(5),
        "scrapeInterval": "15s",
        **other,
    }


def answer(*targets: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"activeTargets": list(targets), "droppedTargets": []}, **other}


THREE = (target(1), target(2), target(3))


@pytest.fixture
def play() -> Iterator[Play]:
    """Return a system whose Prometheus says this, with this status, cut after some bytes."""

    def serve(said: Any, *, status: int = 200, most: int | None = None) -> System:
        body = dated(said if isinstance(said, str) else json.dumps(said)).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:most])

            def log_message(self, *_: object) -> None:
                pass

        server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        return systems.system(parts=(systems.database("prometheus", f"http://127.0.0.1:{server.server_address[1]}"),))

    with ExitStack() as stack:
        yield serve


def judged(system: System) -> Finding:
    reading = Targets("config").observe(Target(system, "prometheus"))
    return prometheus.all_up().check(reading, FACTS)


@pytest.mark.parametrize(
    ("said", "how", "reason"),
    [
        (answer(target(1), warnings=["sidecar 10.0.1.7: Unavailable"]), {}, "incomplete: sidecar 10.0.1.7"),
        (answer(warnings=["sidecar 10.0.1.7: Unavailable"]), {}, "incomplete: sidecar"),
        (answer(*THREE, status="error", error="storage is not ready"), {"status": 503}, "storage is not ready"),
        (answer(*THREE, status="error", error="timed out"), {}, "timed out"),
        (answer(*THREE), {"status": 500}, "500 in"),
        ({"data": answer(*THREE)["data"]}, {}, "no answer of Prometheus' API"),
        ({"status": "success", "data": {}}, {}, "no list of targets"),
        (answer(*THREE, "x"), {}, "without labels"),  # type: ignore[arg-type] # what no Prometheus says
        (answer(*THREE), {"most": 150}, "Prometheus: RemoteProtocolError"),
        (json.dumps(answer(*THREE))[:-20], {}, "no answer of Prometheus' API"),
        ("<html><title>Log in</title></html>", {}, "no answer of Prometheus' API"),
    ],
)
def test_an_incomplete_answer_is_no_answer(play: Play, said: Any, how: dict[str, int], reason: str) -> None:
    with pytest.raises(CannotObserve) as broken:
        judged(play(said, **how))
    assert reason in broken.value.reason
    assert broken.value.hint


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (THREE, Outcome.MET),
        ((target(1), target(2, last=ago(3 * 3600))), Outcome.UNKNOWN),
        ((target(1), target(2, last=ago(3 * 3600), scrapeInterval="1h30m")), Outcome.MET),
        ((target(1, scrapeInterval=None, discoveredLabels={"__scrape_interval__": "5m"}, last=ago(600)),), Outcome.MET),
        ((target(1, scrapeInterval=None, last=ago(100)),), Outcome.MET),
        ((target(1, scrapeInterval=None, last=ago(600)),), Outcome.UNKNOWN),
        ((target(1, last="0001-01-01T00:00:00Z"),), Outcome.UNKNOWN),
        ((target(1, last="yesterday"),), Outcome.UNKNOWN),
        ((target(1), target(2, health="unknown", last="0001-01-01T00:00:00Z")), Outcome.UNKNOWN),
        ((target(1), target(2, health="down", lastError="refused")), Outcome.NOT_MET),
    ],
)
def test_a_target_is_up_by_a_scrape_of_the_last_intervals(
    play: Play, targets: tuple[dict[str, Any], ...], expected: Outcome
) -> None:
    assert judged(play(answer(*targets))).outcome is expected


def test_a_note_about_the_query_makes_no_answer_incomplete(play: Play) -> None:
    assert judged(play(answer(*THREE, infos=["a note"], warnings=[]))).outcome is Outcome.MET
