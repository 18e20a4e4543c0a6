"""Config Manager's configs API: reads mostly, open-loop, on keys of its own that are removed at the end.

Drillbook runs this for ``pytest load``. By hand, with Locust's own page on http://127.0.0.1:8089:

    locust -f load/config_manager/locustfile.py --host http://127.0.0.1:8080

Set the rate with ``--rate-rps`` (20), the namespace with ``--namespace`` (drillbook); users are how many requests may
be open at one time.

Of 100 requests 80 read one of the keys, 15 write one of a fifth of them, and 5 read a key that is not there, for which
404 is the right answer. The mix bounds the cache hit rate that a service can reach: the written keys are read as often
as they are written and so are found in the cache about every other time, the missing ones never, which makes 85 %.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gevent  # type: ignore[import-untyped]  # the package carries no types

from drillbook.traffic.load_locust import OpenLoopUser, Plan, SetUpFailed, open_loop
from drillbook.traffic.load_tally import TOO_MANY_REQUESTS, Outcome

if TYPE_CHECKING:
    from locust.contrib.fasthttp import FastHttpSession, FastResponse

    from drillbook.traffic.load_orders import Orders

ENVIRONMENT = "production"
KEYS = 30
WRITTEN_KEYS = 6
READS, WRITES, MISSES = 80, 15, 5
_OPERATIONS = ["read"] * READS + ["write"] * WRITES + ["miss"] * MISSES
_PACE_RPS = 50.0
_TEAR_DOWN_S = 8.0


class ConfigsUser(OpenLoopUser):
    """Somebody who reads configurations and now and then changes one."""

    def send(self, number: int) -> Outcome:
        """Send a read, a write or a read of what is not there, in a fixed order that looks like none."""
        draw = random.Random(f"{self.orders.key_prefix}{number}")  # noqa: S311 - a mix, not a secret
        operation = draw.choice(_OPERATIONS)
        if operation == "write":
            return self._write(f"{self.orders.key_prefix}-{draw.randrange(WRITTEN_KEYS)}", number)
        if operation == "miss":
            return self._read(f"{self.orders.key_prefix}-missing-{draw.randrange(KEYS)}", wanted=404)
        return self._read(f"{self.orders.key_prefix}-{draw.randrange(KEYS)}", wanted=200)

    def _read(self, key: str, *, wanted: int) -> Outcome:
        name = "read a configuration" if wanted == 200 else "read a missing one"  # noqa: PLR2004 - RFC 9110
        address = f"{_address(self.orders, key)}?env={ENVIRONMENT}"
        with self.client.request("GET", address, name=name, catch_response=True) as answer:
            outcome = _outcome(answer, (wanted,))
            if outcome.failure is None and wanted == 200 and not _is_ours(answer, key):  # noqa: PLR2004 - RFC 9110
                outcome = Outcome(outcome.status, "wrong value")
            return _shown_to_locust(answer, outcome)

    def _write(self, key: str, number: int) -> Outcome:
        address = _address(self.orders, key)
        body = _body(key, number)
        with self.client.request(
            "POST", address, json=body, name="write a configuration", catch_response=True
        ) as answer:
            return _shown_to_locust(answer, _outcome(answer, (200, 201)))


def set_up(orders: Orders, client: FastHttpSession) -> None:
    """Write every key. Raises SetUpFailed with the answer to the first that could not be written."""
    for index in range(KEYS):
        key = f"{orders.key_prefix}-{index}"
        answer = client.request("POST", _address(orders, key), json=_body(key, 0))
        if answer.status_code not in {200, 201}:
            raise SetUpFailed(f"POST of a key answered {answer.status_code or _no_answer(answer)}")
        gevent.sleep(1 / min(_PACE_RPS, orders.rate_rps))


def tear_down(orders: Orders, client: FastHttpSession) -> int:
    """Delete every key; return how many may still be there."""
    deadline = time.monotonic() + _TEAR_DOWN_S
    left = 0
    for index in range(KEYS):
        if time.monotonic() > deadline:
            return left + KEYS - index
        address = f"{_address(orders, f'{orders.key_prefix}-{index}')}?env={ENVIRONMENT}"
        left += client.request("DELETE", address).status_code not in {200, 204, 404}
        gevent.sleep(1 / max(2 * KEYS / _TEAR_DOWN_S, min(_PACE_RPS, orders.rate_rps)))
    return left


def _address(orders: Orders, key: str) -> str:
    return f"/api/v1/configs/{orders.namespace}/{key}"


def _body(key: str, number: int) -> Mapping[str, str]:
    return {"value": f"{key} {number}", "env": ENVIRONMENT, "user": "drillbook"}


def _is_ours(answer: FastResponse, key: str) -> bool:
    try:
        found: Any = json.loads(answer.text or "")
    except ValueError:
        return False
    return isinstance(found, dict) and str(found.get("value", "")).startswith(f"{key} ")


def _outcome(answer: FastResponse, wanted: tuple[int, ...]) -> Outcome:
    """Say what became of a request; Locust reports status 0 for one without an answer."""
    if not answer.status_code:
        return Outcome(None, _no_answer(answer))
    failed = answer.status_code not in {*wanted, TOO_MANY_REQUESTS}
    return Outcome(answer.status_code, f"status {answer.status_code}" if failed else None)


def _no_answer(answer: FastResponse) -> str:
    error = getattr(answer, "error", None)  # set by Locust on answers that never came
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionError):
        return "reset"
    return type(error).__name__


def _shown_to_locust(answer: Any, outcome: Outcome) -> Outcome:
    """Let Locust's own page count the same failures."""
    if outcome.failure is not None or outcome.status == TOO_MANY_REQUESTS:
        answer.failure(outcome.failure or "status 429")
    else:
        answer.success()
    return outcome


open_loop(Plan(set_up, tear_down))
