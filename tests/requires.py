"""What some tests need beyond Python: without it they are skipped with a hint, or fail where it is required.

``DRILLBOOK_REQUIRE=compose,systemd,kubernetes`` names what must not be missing: where a pipeline promises an
engine, a skip would be a green light that nobody has earned.
"""

from __future__ import annotations

import os

import pytest


def required() -> frozenset[str]:
    """Return what must be there."""
    return frozenset(filter(None, (word.strip() for word in os.environ.get("DRILLBOOK_REQUIRE", "").split(","))))


def absent(name: str, why: str, hint: str) -> None:
    """Skip the test that needs ``name``; fail it where ``name`` is required."""
    text = f"{why}; {hint}"
    if name in required():
        pytest.fail(f"DRILLBOOK_REQUIRE names {name}, and {text}", pytrace=False)
    pytest.skip(text)


def require(platform: str, present: bool, hint: str) -> None:
    """Skip unless present; fail instead when DRILLBOOK_REQUIRE lists the platform."""
    if not present:
        absent(platform, f"{platform} is not available here", hint)
