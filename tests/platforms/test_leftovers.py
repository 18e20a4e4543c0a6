"""What lies about beside the copies is no copy: the client and the platform for real, the API's pods played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from drillbook.accepts import kubernetes
from drillbook.model import CannotObserve, Component, Facts, Finding, Outcome, Place, System, Target
from drillbook.platforms.kubernetes import KubernetesPlatform
from drillbook.platforms.kubernetes.settings import Cluster, Workload
from drillbook.probes.kubernetes import Pods

from .small_api import APP, Pod, being_deleted, cluster_of, evicted, finished, pod

FACTS = Facts("kubernetes", None, 2.0)
LEFT = [
    pytest.param([], id="nothing"),
    pytest.param([evicted()], id="evicted"),
    pytest.param([finished()], id="finished job"),
    pytest.param([finished("Failed")], id="failed job"),
    pytest.param([being_deleted()], id="being deleted"),
    pytest.param([being_deleted(ready=False), evicted(), finished()], id="all of them"),
]
Play = Callable[[list[Pod]], System]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with ExitStack() as stack:

        def system(pods: list[Pod]) -> System:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            kubeconfig = stack.enter_context(cluster_of(pods, folder))
            cluster = Cluster("here", kubeconfig, components={"api": Workload("here", selector=f"app={APP}")})
            return System("config-manager", Place("kubernetes", cluster))

        yield system


def copies(count: int) -> list[Pod]:
    return [pod(f"copy-{number}") for number in range(count)]


def judged(system: System) -> Finding:
    return kubernetes.pods_serve(exactly=3).check(Pods("api").observe(Target(system, "here")), FACTS)


@pytest.mark.parametrize("left", LEFT)
def test_leftovers_are_not_replicas(play: Play, left: list[Pod]) -> None:
    system = play(copies(3) + left)
    found = judged(system)
    assert found.outcome is Outcome.MET
    assert all(one["metadata"]["name"] in found.observed for one in left), "they are shown"
    platform = KubernetesPlatform(system)
    assert [one.name for one in platform.discover(Component("api", ports={"http": 8080}))] == [
        "copy-0",
        "copy-1",
        "copy-2",
    ]
    running = [state.name for state in platform.list_instances() if state.running]
    assert running == ["copy-0", "copy-1", "copy-2"]


@pytest.mark.parametrize("left", LEFT)
def test_leftovers_do_not_stand_for_a_copy_that_is_missing(play: Play, left: list[Pod]) -> None:
    assert judged(play(copies(2) + left)).outcome is Outcome.NOT_MET
    assert judged(play(left)).outcome is Outcome.NOT_MET


def test_a_copy_that_is_not_ready_is_still_a_copy(play: Play) -> None:
    assert judged(play([*copies(2), pod("copy-2", ready=False)])).outcome is Outcome.NOT_MET
    assert judged(play([*copies(3), pod("copy-3", phase="Pending", ready=False)])).outcome is Outcome.NOT_MET


def test_what_is_being_deleted_is_listed_as_such_and_what_is_over_is_not(play: Play) -> None:
    listed = KubernetesPlatform(play([*copies(1), being_deleted(), evicted(), finished()])).list_instances()
    assert {state.name: state.state for state in listed} == {"copy-0": "running", "a-old": "stopping"}


def test_a_leftover_is_no_way_in(play: Play) -> None:
    with pytest.raises(CannotObserve, match="no pod of api is there"):
        KubernetesPlatform(play([evicted(), being_deleted()])).reach("api", "")
