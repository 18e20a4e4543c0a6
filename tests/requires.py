"""What a test needs of its machine: skipped with a reason where it is absent, failed where CI promised it."""

from __future__ import annotations

import os

import pytest


def require(platform: str, present: bool, hint: str) -> None:
    """Skip unless present; fail instead when DRILLBOOK_REQUIRE lists the platform."""
    if present:
        return
    reason = f"{platform} is not available here: {hint}"
    if platform in os.environ.get("DRILLBOOK_REQUIRE", "").split(","):
        pytest.fail(f"{reason} (DRILLBOOK_REQUIRE lists it)", pytrace=False)
    pytest.skip(reason)
