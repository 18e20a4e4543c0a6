"""Platforms that a test needs: a clear skip where one is absent, a failure where it was promised.

``DRILLBOOK_REQUIRE=compose,systemd,kubernetes`` names what this machine must have.
"""

from __future__ import annotations

import os

import pytest


def require(platform: str, present: bool, hint: str) -> None:
    """Skip when the platform is absent; fail when DRILLBOOK_REQUIRE names it."""
    if present:
        return
    if platform in os.environ.get("DRILLBOOK_REQUIRE", "").split(","):
        pytest.fail(f"{platform} is required here (DRILLBOOK_REQUIRE) and absent: {hint}")
    pytest.skip(f"no {platform}: {hint}")
