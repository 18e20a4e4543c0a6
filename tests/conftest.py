"""A lab for the tests that judge a healthy system; it ends with the test process, whatever happens.

Under xdist, all tests of a platform run on one worker, so that one lab serves them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # it ships no types

from drillbook import labs

from .running import let_signals_through


def pytest_configure(config: pytest.Config) -> None:
    """Take warnings for errors in Drillbook's own tests, sockets that nobody closed among them; in no user's gate."""
    let_signals_through()
    for line in (ALONE, FEW, TIMEOUT):
        config.addinivalue_line("markers", line)
    config.addinivalue_line("filterwarnings", "error")
    # A connection that the garbage collector ends is told to whichever test runs by then, not to the one that left it:
    # an idle one in a library's pool, or of another thread. What a gate leaves open is looked for in a gate of its own.
    left = "Exception ignored in.*([sS]ocket|Transport):pytest.PytestUnraisableExceptionWarning"
    config.addinivalue_line("filterwarnings", f"default:{left}")


PLATFORMS = ("compose", "systemd", "kubernetes")
ALONE = "alone: tells fractions of a second apart: runs while no other test does"
FEW = "few: holds a system to objectives, or to seconds: runs while few others do"
TIMEOUT = "timeout(seconds): of pytest-timeout, without which there is none"


@pytest.fixture(scope="session")
def lab_environment() -> Iterator[Path]:
    """The environment file of a healthy lab that tests must leave healthy."""
    lab = labs.bring_up("config-manager")
    yield lab.environment
    lab.close()


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep a lab that the user left running out of the tests, and the tests out of the user's records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRILLBOOK_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


class _ByPlatform(LoadScopeScheduling):  # type: ignore[misc] # as above
    """Keeps the tests of a platform together. xdist's own groups are without effect under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the platform that a test's file or first parameter names; every other test stands for itself."""
        file, _, name = nodeid.partition("::")
        first = name.partition("[")[2].rstrip("]").partition("-")[0]
        words = {first, *Path(file).stem.split("_")}
        return next((platform for platform in PLATFORMS if "platforms" in file and platform in words), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give xdist the scheduler."""
    return _ByPlatform(config, log)
