from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook.platforms.process import starting

from .grounds import Ground, ground_in


@pytest.fixture(autouse=True)
def _nothing_launched() -> None:
    """Every test's instance is called api-1."""
    starting._launched.clear()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with ground_in(tmp_path) as found:
        yield found
