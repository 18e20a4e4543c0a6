"""What ``drillbook faults`` says is what the families do, and what records on disk name can still be undone."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from drillbook import platforms
from drillbook.cli import main
from drillbook.faults.families import FAMILIES, Family, Way
from drillbook.faults.undo import _KINDS, Undo, healer_of
from drillbook.model import Place, System
from drillbook.platforms import (
    InstanceState,
    Kills,
    Lists,
    Missing,
    Pauses,
    PlatformRefused,
    Restarts,
    Scales,
    Starts,
    Stops,
    offered_by,
    platform_of,
)
from drillbook.platforms.kubernetes.settings import Cluster, Workload
from drillbook.platforms.process.found import ProcessSettings

WAYS = [pytest.param(family, way, id=f"{family.name}-{way.undo.kind}") for family in FAMILIES for way in family.ways]
CLUSTER = Cluster("n", Path("/nowhere"), components={"api": Workload("n", "deployments/a")})
ACTING: tuple[Any, ...] = (Lists, Kills, Pauses, Restarts, Scales, Starts, Stops)


class Offering:
    """A platform with just these capabilities, and two copies of one component."""

    shows_stopping = True

    def __init__(self, *offered: Any) -> None:
        self.offered = offered

    def can(self, capability: Any, of: str | None = None) -> Any:
        assert of in (None, "api")
        return self if capability in self.offered else Missing(f"no {capability.__name__} here")

    def list_instances(self) -> tuple[InstanceState, ...]:
        return tuple(InstanceState(f"api-{number}", "api", "running", pid=number) for number in (1, 2))

    def returns_within_s(self, name: str) -> float | None:
        return 5.0

    def replicas(self, component: str) -> int:
        return len(self.list_instances())


def prepare(family: Family, monkeypatch: pytest.MonkeyPatch, *offered: Any) -> Undo:
    """Prepare a fault where a platform offers this; return its undo."""
    for room in ("asking", "families.victims"):
        monkeypatch.setattr(f"drillbook.faults.{room}.platform_of", lambda _: Offering(*offered))
    return family.call(System("s", Place("process", ProcessSettings(control=Path("/nowhere")))), "api").undo


@pytest.mark.parametrize(("family", "way"), WAYS)
def test_a_family_needs_what_it_says_and_is_undone_as_it_says(
    family: Family, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = {Lists, *way.needs, *way.undo.needs}
    assert family.way_on(frozenset(needed)) is way
    assert prepare(family, monkeypatch, *needed).kind == way.undo.kind
    for missing in needed:
        rest = needed - {missing}
        other = family.way_on(frozenset(rest))
        if other is None:
            with pytest.raises(PlatformRefused):
                prepare(family, monkeypatch, *rest)
        else:
            assert prepare(family, monkeypatch, *rest).kind == other.undo.kind


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_names_the_parameters_that_it_takes(family: Family) -> None:
    assert [one.name for one in family.parameters] == list(inspect.signature(family.call).parameters)[1:]


def test_every_kind_of_undo_belongs_to_a_family_and_every_family_to_some_platform() -> None:
    assert {way.undo.kind for family in FAMILIES for way in family.ways} == set(_KINDS)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert any(family.way_on(offered_by(name)) for name in platforms.known())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("instances.start", {"names": ["api-1"], "lands_within_s": 12.0}),
        ("instances.resume", {"names": ["api-1", "api-2"]}),
        ("replicas.restore", {"component": "api", "replicas": 2}),
        ("replicas.await", {"component": "api"}),
    ],
)
def test_a_record_that_was_written_before_the_families_were_files_is_still_undone(
    kind: str, more: dict[str, Any]
) -> None:
    written = {"kind": kind, "system": "s", "platform": "process", "control": "/nowhere", **more}
    assert healer_of(Undo.from_json(json.loads(json.dumps(written)))).landing_s() == more.get("lands_within_s", 0.0)


@pytest.mark.parametrize(
    "system",
    [
        System("s", Place("process", ProcessSettings(control=Path("/nowhere")))),
        System(
            "s", Place("kubernetes", Cluster("n", Path("/nowhere"), components={"api": Workload("n", "deployments/a")}))
        ),
    ],
    ids=lambda system: system.platform,
)
def test_what_a_platform_is_said_to_offer_it_has(system: System) -> None:
    for capability in ACTING:
        found = platform_of(system).can(capability)
        has_none = isinstance(found, Missing) and "kubeconfig" not in found.reason
        assert has_none == (capability not in offered_by(system.platform)), (capability, found)


def test_the_listing_says_where_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    told = capsys.readouterr().out
    assert "StopInstance.of(system, name, grace_s=10.0)" in told
    assert "instances.resume: lets those that are frozen go on" in told
    assert "Kills       Kills an instance (SIGKILL)." in told
    assert "no platform yet" not in told


def test_the_listing_as_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "stop", "--json"]) == 0
    (stop,) = json.loads(capsys.readouterr().out)["families"]
    assert [one["name"] for one in stop["parameters"]] == ["name", "grace_s"]
    assert stop["parameters"][0]["required"]
    assert stop["parameters"][1]["default"] == 10.0
    assert [way["undo"]["kind"] for way in stop["ways"]] == ["instances.start", "replicas.await", "instances.await"]
    places = [["compose", "process", "systemd"], ["kubernetes"], ["process"]]
    assert [way["platforms"] for way in stop["ways"]] == places
    assert stop["ways"][1]["needs"] == ["Lists", "Stops", "Scales"]


def test_an_unknown_family_is_an_error_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "pauze"]) == 4
    told = capsys.readouterr()
    assert "unknown family pauze, did you mean pause?; known: kill, " in told.err
    assert told.out == ""


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["faults", "--help"])
    told = capsys.readouterr().out
    for words in ("written down before the harm", "--plan", "with the reason", "drillbook faults pause --json"):
        assert words in told
