"""A lab for the tests that judge a healthy system; it ends with the test process, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import labs


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
