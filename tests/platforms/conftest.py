"""The labs that all tests of a platform share: one each, for as long as the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drillbook import labs

from ..requires import require
from . import cluster as clusters
from . import grounds
from .cluster import Cluster
from .grounds import Ground
from .host import Host, machine_up
from .project import Planted, need_compose


@pytest.fixture(scope="session")
def planted() -> Iterator[Planted]:
    """A lab on Compose; it ends with the test process, whatever happens."""
    need_compose()
    brought_up = labs.bring_up("config-manager", "--on", "compose", "--instances", "2", limit_s=900)
    yield Planted(brought_up.environment)
    brought_up.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[Path]:
    """A lab of processes to break: its logs tell of it."""
    brought_up = labs.bring_up("config-manager")
    yield brought_up.environment
    brought_up.close()


@pytest.fixture(scope="session")
def machine() -> Iterator[Host]:
    """A systemd host."""
    with machine_up() as found:
        yield found


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A lab in a namespace of its own."""
    require("kubernetes", clusters.is_there(), clusters.HINT)
    with clusters.brought_up(tmp_path_factory.mktemp("state")) as found:
        yield found


@pytest.fixture(params=list(grounds.PLATFORMS))
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A healthy lab on each platform in turn; it is left healthy."""
    make, lab = grounds.PLATFORMS[request.param]
    found: Ground = make(request.getfixturevalue(lab))
    found.mend()
    yield found
    found.mend()
