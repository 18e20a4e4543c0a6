"""What is said of a request that came to nothing is said in one place, the same for every client."""

from __future__ import annotations

import re

import pytest

from drillbook import outbound
from drillbook.outbound import Proxy, ProxyFailed

from ..running import ROOT

PROXY = Proxy("proxy.test", 3128)
AT = "the proxy http://proxy.test:3128 "


@pytest.mark.parametrize(
    ("url", "reached", "through", "why", "said"),
    [
        ("http://x", False, False, "connection refused", "does not answer: connection refused"),
        ("https://x", False, True, "connection refused", "does not answer: connection refused"),
        ("http://x", False, True, None, "does not answer in time"),
        ("https://x", True, False, 403, "made no tunnel to the service: 403"),
        ("http://x", True, False, "cut off", None),
        ("https://x", True, True, "cut off", None),
    ],
)
def test_a_request_that_came_no_further_than_the_proxy_is_its_fault(
    url: str, reached: bool, through: bool, why: object, said: str | None
) -> None:
    outbound.blame_proxy(None, url, reached=reached, through=through, why=why)
    if said is None:
        outbound.blame_proxy(PROXY, url, reached=reached, through=through, why=why)
        return
    with pytest.raises(ProxyFailed) as found:
        outbound.blame_proxy(PROXY, url, reached=reached, through=through, why=why)
    assert found.value.reason == AT + said


def test_only_a_plain_request_can_be_answered_by_the_proxy_itself() -> None:
    outbound.blame_proxys_answer(PROXY, "https://x", 407, {})
    outbound.blame_proxys_answer(None, "http://x", 407, {})
    outbound.blame_proxys_answer(PROXY, "http://x", 503, {"Server": "x"})
    for status, headers in ((407, {}), (503, {"X-Squid-Error": "ERR_CONNECT_FAIL 111"})):
        with pytest.raises(ProxyFailed, match=f"answered {status}"):
            outbound.blame_proxys_answer(PROXY, "http://x", status, headers)


def test_no_client_blames_a_proxy_by_itself() -> None:
    rooms = [path for path in (ROOT / "src/drillbook").rglob("*.py") if path.parent.name != "outbound"]
    assert rooms
    assert not [path for path in rooms if re.search(r"ProxyFailed\(|does not answer:|made no tunnel", path.read_text())]
