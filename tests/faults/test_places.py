"""Marks, claims and locks belong to a place: a run asks for those that it touches, and for no other.

Watchdogs are real; platforms lie in memory, and nothing is harmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drillbook import journal as journals
from drillbook.cli import main
from drillbook.environment import Environment, load
from drillbook.environment.settings import BlastRadius
from drillbook.faults import (
    Blast,
    FaultSession,
    Injection,
    LeftBehind,
    NotPermitted,
    Refusal,
    State,
    Undo,
    guard,
    permit_each,
    permit_load,
    spot_of,
)
from drillbook.faults.claims import places
from drillbook.faults.claims import target as claims
from drillbook.faults.claims.records import Held, LocalClaim, Record, folder_of, holder_of, leftovers, new_record
from drillbook.faults.guard import enter
from drillbook.faults.recover import abort, recover
from drillbook.journal import Journal
from drillbook.model import CannotObserve, Place, System
from drillbook.platforms import BearsMarks, KeepsClaim, Missing, platform_of
from drillbook.platforms.compose.settings import ComposeProject
from drillbook.platforms.kubernetes.settings import Cluster, Workload
from drillbook.platforms.process.found import ProcessSettings
from drillbook.platforms.systemd.settings import SystemdHost
from drillbook.plugin.scenarios import Scenarios
from drillbook.polling import wait_until

from .test_target_claims import Memory

FILE = """
name = "two"
platform = "process"

[disruption]
allowed = true
at_most = { instances = 1 }

[process]
marker = "marker"

[systems.config-manager]
process = { control = "/nowhere/config-manager.sock" }

[systems.data-vault]
process = { control = "/nowhere/data-vault.sock" }
"""
CONFIG, VAULT = "config-manager", "data-vault"


@dataclass
class Somewhere:
    """A platform that knows where it is, as what it may be disrupted, and who holds it."""

    where: str
    marks: frozenset[str] = frozenset({"two"})
    marker: str = "the annotation"
    claim: Memory = field(default_factory=Memory)
    asked: list[str] = field(default_factory=list)

    def place(self, of: str | None = None) -> str:
        return self.where if of is None else f"{self.where}: {of}"

    def components(self) -> tuple[str, ...]:
        return ()

    def can(self, capability: type[Any], of: str | None = None) -> Any:
        assert of is None
        self.asked.append(capability.__name__)
        if capability is BearsMarks:
            return _Marks(self.marks)
        return self.claim if capability is KeepsClaim else Missing("not here")


@dataclass
class _Marks:
    found: frozenset[str]
    marker: str = "the annotation"

    def marks(self) -> frozenset[str]:
        return self.found


@dataclass
class Harmless:
    """A fault of one instance of a system, without any harm."""

    system: str
    name: str = "nothing"

    @property
    def undo(self) -> Undo:
        return gone(self.system)

    @property
    def blast(self) -> Blast:
        return Blast(self.system, "api", ("api-1",), 2)

    def inject(self) -> None:
        """Do nothing."""

    def in_effect(self) -> str | None:
        return "felt"

    def recovered(self) -> str | None:
        return "as it was"


def gone(system: str) -> Undo:
    """Return an undo of which the keeper is gone, and all harm with it."""
    control = f"/nowhere/{system}.sock"
    return Undo("instances.start", {"system": system, "platform": "process", "control": control, "names": ["api-1"]})


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "marker").write_text("two\n")
    path = tmp_path / "two.toml"
    path.write_text(FILE)
    return load(path)


@pytest.fixture
def shared(tmp_path: Path) -> Environment:
    """The same with both systems at one place."""
    (tmp_path / "marker").write_text("two\n")
    path = tmp_path / "shared.toml"
    path.write_text(FILE.replace("/nowhere/data-vault.sock", "/nowhere/config-manager.sock"))
    return load(path)


@dataclass
class Runs:
    """Opens sessions that are closed after the test."""

    journal: Journal
    stack: ExitStack

    def open(
        self, environment: Environment, system: str, injections: list[Injection] | None = None
    ) -> FaultSession | Refusal:
        found = FaultSession.open(
            environment, "two", spot_of(environment.systems[system]), journal=self.journal, injections=injections
        )
        if isinstance(found, FaultSession):
            self.stack.callback(found.close)
        return found

    def opened(self, environment: Environment, system: str, injections: list[Injection] | None = None) -> FaultSession:
        found = self.open(environment, system, injections)
        assert isinstance(found, FaultSession), found.reason
        return found


@pytest.fixture
def runs(journal: Journal) -> Iterator[Runs]:
    with ExitStack() as stack:
        yield Runs(journal, stack)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, Somewhere]:
    """Give each system a place of its own that lies in memory."""
    found = {CONFIG: Somewhere("namespace a"), VAULT: Somewhere("namespace b")}

    def place_of(system: System) -> Somewhere:
        return found[system.name]

    for module in (guard, places, claims):
        monkeypatch.setattr(module, "platform_of", place_of)
    return found


def left(environment: str, *systems: str, fault: str) -> None:
    """Leave a record behind, as a run does that dies with its watchdog."""
    claim = LocalClaim.take(environment, run="", systems=systems, leftovers_are_fine=True)
    claim.put(new_record(claim, fault=fault, undo=gone(systems[0]), run=""))
    claim.release()


def faults(environment: str) -> list[str]:
    return sorted(row.record.fault for row in leftovers(environment) if row.record)


def test_a_place_that_is_not_touched_is_not_asked(environment: Environment, there: dict[str, Somewhere]) -> None:
    there[VAULT].marks = frozenset()
    claim = enter(environment, "two", spot_of(environment.systems[CONFIG]), run="", lease_s=60)
    assert isinstance(claim, LocalClaim), claim.reason
    try:
        assert there[VAULT].asked == []
        assert there[VAULT].claim.kept is None
        assert there[CONFIG].claim.document.environment == "two"
        assert permit_load(environment, "two", environment.systems[CONFIG], claim=claim) is None
    finally:
        claim.release()
    refused = enter(environment, "two", spot_of(environment.systems[VAULT]), run="", lease_s=60)
    assert isinstance(refused, Refusal)
    assert "the annotation names nothing, not two" in refused.reason


def test_a_place_that_others_hold_keeps_nobody_from_another(
    environment: Environment, there: dict[str, Somewhere]
) -> None:
    vault = enter(environment, "two", spot_of(environment.systems[VAULT]), run="", lease_s=60)
    config = enter(environment, "two", spot_of(environment.systems[CONFIG]), run="", lease_s=60)
    assert isinstance(vault, LocalClaim)
    assert isinstance(config, LocalClaim)
    assert there[VAULT].claim.document.token != there[CONFIG].claim.document.token
    refused = enter(environment, "two", spot_of(environment.systems[VAULT]), run="", lease_s=60)
    assert isinstance(refused, Refusal)
    assert "data-vault of two is held by" in refused.reason
    assert "end it: drillbook abort --env two --system data-vault" in refused.reason
    vault.release()
    config.release()


def test_two_systems_at_one_place_are_held_together(shared: Environment, there: dict[str, Somewhere]) -> None:
    there[VAULT] = there[CONFIG]
    claim = enter(shared, "two", spot_of(shared.systems[VAULT]), run="", lease_s=60)
    assert isinstance(claim, LocalClaim), claim.reason
    assert claim.systems == (CONFIG, VAULT)
    assert len(claim.on_targets) == 1
    refused = enter(shared, "two", spot_of(shared.systems[CONFIG]), run="", lease_s=60)
    assert isinstance(refused, Refusal)
    assert "config-manager, data-vault of two is held by" in refused.reason
    claim.release()
    assert there[CONFIG].claim.kept is None


def test_the_file_that_stands_for_marks_and_the_keepers_socket_say_what_is_one_place(shared: Environment) -> None:
    claim = enter(shared, "two", spot_of(shared.systems[VAULT]), run="", lease_s=60)
    assert isinstance(claim, LocalClaim), claim.reason
    assert claim.systems == (CONFIG, VAULT)
    claim.release()


def test_a_fault_is_refused_where_the_run_holds_another_place(environment: Environment, runs: Runs) -> None:
    session = runs.opened(environment, CONFIG)
    with pytest.raises(NotPermitted, match="the place of data-vault in two is not held by this run"):
        session.prepare(Harmless(VAULT)).inject()
    with session.prepare(Harmless(CONFIG)):
        assert [blast.system for blast in session.blasts_in] == [CONFIG]


def test_what_is_in_at_one_place_counts_at_another(environment: Environment, runs: Runs) -> None:
    together: list[Injection] = []
    config, vault = (runs.opened(environment, system, together) for system in (CONFIG, VAULT))
    with (
        config.prepare(Harmless(CONFIG)),
        pytest.raises(NotPermitted, match=r"2 instances .*\(api-1 of config-manager; api-1 of data-vault\)"),
    ):
        vault.prepare(Harmless(VAULT)).inject()
    with vault.prepare(Harmless(VAULT)):
        assert len(vault.blasts_in) == 1


def test_what_another_run_has_in_at_another_place_counts_too(environment: Environment, runs: Runs) -> None:
    config, vault = runs.opened(environment, CONFIG), runs.opened(environment, VAULT)
    words = r"2 instances .*\(api-1 of config-manager; api-1 of data-vault\)"
    with config.prepare(Harmless(CONFIG)):
        with pytest.raises(NotPermitted, match=words):
            vault.prepare(Harmless(VAULT)).inject()
        (refused,) = permit_each(environment, "two", [Harmless(VAULT).blast], claim_of=lambda _: vault.claim)
        assert refused is not None
        assert "api-1 of config-manager is another run's: drillbook abort --env two" in refused.reason
    with vault.prepare(Harmless(VAULT)):
        assert len(vault.blasts_in) == 1


def test_two_runs_that_begin_at_the_same_moment_see_each_other(environment: Environment, runs: Runs) -> None:
    config, vault = runs.opened(environment, CONFIG), runs.opened(environment, VAULT)
    first, second = config.prepare(Harmless(CONFIG)), vault.prepare(Harmless(VAULT))
    harm: list[str] = []
    put, second.fault.inject = vault.claim.put, lambda: harm.append("done")  # type: ignore[method-assign] # a run that is not ours

    def put_late(record: Record) -> None:
        """Write the record only when the other run, which nobody saw a moment ago, has its harm in."""
        first.inject()
        put(record)

    vault.claim.put = put_late  # type: ignore[method-assign] # as above
    with pytest.raises(NotPermitted, match="2 instances"):
        second.inject()
    assert harm == []
    assert second.state is State.CLEANED
    first.close()
    assert faults("two") == []


def test_abort_of_one_system_leaves_the_run_at_another_place_alone(environment: Environment, runs: Runs) -> None:
    roomy = environment.disruption.model_copy(update={"at_most": BlastRadius(instances=2)})
    environment = replace(environment, disruption=roomy)
    config, vault = runs.opened(environment, CONFIG), runs.opened(environment, VAULT)
    first, second = config.prepare(Harmless(CONFIG)), vault.prepare(Harmless(VAULT))
    first.inject()
    second.inject()
    report = abort("two", environment.systems.values(), only=VAULT)
    assert [row.record for row in report.rows] == [second.id]
    assert report.clean
    wait_until(lambda: vault.watchdog.fenced, what="the fence", timeout_s=5)
    assert config.watchdog.fenced is None
    assert config.watchdog.alive
    report = abort("two", environment.systems.values())
    assert {row.record for row in report.rows} >= {first.id}
    wait_until(lambda: config.watchdog.fenced, what="the fence", timeout_s=5)


def test_recovery_of_one_system_leaves_what_is_another_systems(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    left("two", CONFIG, fault="kill api")
    left("two", VAULT, fault="kill vault")
    assert main(["recover", "--env", str(environment.path), "--system", VAULT]) == 0
    told = capsys.readouterr()
    assert "undone  kill vault" in told.out
    assert "kill api" not in told.out
    assert faults("two") == ["kill api"]
    assert main(["abort", "--env", str(environment.path), "--system", VAULT]) == 0
    assert "data-vault of two: nothing to undo" in capsys.readouterr().out
    assert main(["abort", "--env", str(environment.path)]) == 1
    assert 'leftovers: "kill api"' in capsys.readouterr().err
    assert main(["recover", "--env", str(environment.path)]) == 0
    assert faults("two") == []


def test_what_is_left_at_a_shared_place_and_not_asked_for_is_told(
    shared: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    left("two", CONFIG, VAULT, fault="kill api")
    left("two", VAULT, CONFIG, fault="kill vault")
    assert main(["recover", "--env", str(shared.path), "--system", VAULT]) == 0
    told = capsys.readouterr()
    assert "undone  kill vault" in told.out
    assert 'left as it is: "kill api" since' in told.err
    assert "at config-manager" in told.err
    assert faults("two") == ["kill api"]


@pytest.mark.parametrize("command", ["recover", "abort"])
def test_a_system_that_nobody_knows_is_an_error(
    command: str, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    left("two", VAULT, fault="kill vault")
    assert main([command, "--env", str(environment.path), "--system", "data-valt"]) == 4
    told = capsys.readouterr()
    assert "--system data-valt" in told.err
    assert "data-vault" in told.err
    assert told.out == ""
    assert faults("two") == ["kill vault"]


def test_a_record_that_does_not_tell_whose_it_is_may_be_anybodys(environment: Environment) -> None:
    folder = folder_of("two")
    folder.mkdir(parents=True)
    (folder / "abc.json").write_text("{")
    report = recover("two", environment.systems.values(), only=VAULT)
    assert [row.recovered for row in report.rows] == [False]
    assert not report.clean
    for system in (CONFIG, VAULT):
        refused = enter(environment, "two", spot_of(environment.systems[system]), run="", lease_s=60)
        assert isinstance(refused, Refusal)
        assert "abc.json" in refused.reason


def test_recovery_goes_on_at_other_places_when_one_is_held_or_cannot_be_seen(
    environment: Environment, there: dict[str, Somewhere], monkeypatch: pytest.MonkeyPatch
) -> None:
    left("two", CONFIG, fault="kill api")
    held = LocalClaim.take("two", run="", systems=[VAULT])
    report = recover("two", environment.systems.values())
    assert [(row.fault, row.recovered) for row in report.rows] == [("kill api", True)]
    assert [type(trouble) for trouble in report.troubles] == [Held]
    assert not report.clean
    held.release()

    def blind() -> None:
        raise CannotObserve("fog", hint="wait")

    left("two", CONFIG, fault="kill api")
    monkeypatch.setattr(there[VAULT].claim, "read_claim", blind)
    report = recover("two", environment.systems.values())
    assert [(row.fault, row.recovered) for row in report.rows] == [("kill api", True)]
    assert [type(trouble) for trouble in report.troubles] == [CannotObserve]
    assert not report.clean


def test_what_a_system_has_left_beside_others_than_it_is_beside_now_refuses(
    environment: Environment, shared: Environment
) -> None:
    left("two", VAULT, CONFIG, fault="kill vault")
    with pytest.raises(LeftBehind, match="kill vault"):
        LocalClaim.take("two", run="", systems=[VAULT])
    before = LocalClaim.take("two", run="", systems=[CONFIG, VAULT], leftovers_are_fine=True)
    for system in (CONFIG, VAULT):
        with pytest.raises(Held):
            LocalClaim.take("two", run="", systems=[system])
    before.release()
    assert recover("two", environment.systems.values()).clean
    assert recover("two", shared.systems.values()).rows == ()


def test_the_journal_of_a_run_at_two_places_is_one(environment: Environment, runs: Runs, run: Path) -> None:
    for system in (CONFIG, VAULT):
        with runs.opened(environment, system).prepare(Harmless(system)):
            pass
    states = [row.data["state"] for row in journals.read(run) if row.kind == "fault"]
    assert states.count("cleaned") == 2


def test_a_marker_of_its_own_is_asked_for_one_system_alone(tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("two\n")
    (tmp_path / "vault").write_text("prod\n")
    path = tmp_path / "two.toml"
    path.write_text(FILE.replace('data-vault.sock"', 'data-vault.sock", marker = "vault"'))
    environment = load(path)
    refused = enter(environment, "two", spot_of(environment.systems[VAULT]), run="", lease_s=60)
    assert isinstance(refused, Refusal)
    assert "vault names prod, not two" in refused.reason
    claim = enter(environment, "two", spot_of(environment.systems[CONFIG]), run="", lease_s=60)
    assert isinstance(claim, LocalClaim), claim.reason
    claim.release()


def test_a_folder_of_records_is_taken_with_all_below_it(environment: Environment) -> None:
    left("two", CONFIG, fault="kill api")
    left("two", VAULT, fault="kill vault")
    held = LocalClaim.take("two", run="", systems=["analytics-hub"])
    with pytest.raises(Held):
        recover(str(folder_of("two")))
    held.release()
    report = recover(str(folder_of("two")))
    assert sorted(row.fault for row in report.rows) == ["kill api", "kill vault"]
    assert report.clean
    assert faults(environment.name) == []


class Terminal:
    """A gate, as those who hold environments for it see one."""

    def __init__(self, environment: Environment, journal: Journal) -> None:
        self.environment, self.journal = environment, journal
        self.options = SimpleNamespace(disrupt="two", environment="two", plan=False)
        self.ask_for_load: Any = None
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def find_instances(self) -> None:
        """They are where they were."""


def test_a_run_takes_a_place_when_it_needs_it_and_lets_go_of_all(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "marker").write_text("two\n")
    path = tmp_path / "two.toml"
    path.write_text(FILE.replace('data-vault.sock"', 'data-vault.sock", marker = "nowhere"'))
    gate: Any = Terminal(load(path), journal)
    run: Any = Scenarios(SimpleNamespace(), gate)  # type: ignore[arg-type] # it asks its configuration nothing here
    try:
        refused = gate.ask_for_load([CONFIG, VAULT])
        assert list(refused) == [VAULT]
        assert "cannot see whether data-vault bears a marker" in refused[VAULT]
        (tmp_path / "nowhere").write_text("two\n")
        assert holder_of("two", [VAULT]) is None
        assert gate.ask_for_load([VAULT, CONFIG]) == {}
        assert holder_of("two", [CONFIG]) is not None
        assert holder_of("two", [VAULT]) is not None
    finally:
        run.pytest_sessionfinish(SimpleNamespace(exitstatus=0))
    wait_until(lambda: holder_of("two") is None, what="the watchdogs' end", timeout_s=5)
    assert gate.said == []


def test_a_run_that_was_ended_early_takes_no_other_place(environment: Environment, journal: Journal) -> None:
    gate: Any = Terminal(environment, journal)
    run: Any = Scenarios(SimpleNamespace(), gate)  # type: ignore[arg-type] # it asks its configuration nothing here
    try:
        assert gate.ask_for_load([CONFIG]) == {}
        assert abort("two", environment.systems.values()).clean
        (session,) = run._sessions.values()  # noqa: SLF001 - to wait for its fence
        wait_until(lambda: session.watchdog.fenced, what="the fence", timeout_s=5)
        assert "this run was ended early at another place" in gate.ask_for_load([VAULT])[VAULT]
        assert holder_of("two", [VAULT]) is None
    finally:
        run.pytest_sessionfinish(SimpleNamespace(exitstatus=0))


def test_a_refusal_in_the_middle_of_a_scenario_is_told_as_one(
    environment: Environment, journal: Journal, run: Path
) -> None:
    """Another run may have harm in by the time that this one would inject: that is no failure of the system."""
    gate: Any = Terminal(environment, journal)
    scenarios: Any = Scenarios(SimpleNamespace(), gate)  # type: ignore[arg-type] # as above
    item = SimpleNamespace(nodeid="chaos/test_x.py::test_x", user_properties=[])
    scenarios.note_if_refused(item, ValueError("not this"))
    scenarios.note_if_refused(item, NotPermitted("2 instances would be hit"))
    assert [row.data for row in journals.read(run) if row.kind == "refused"] == [
        {"test": "chaos/test_x.py::test_x", "reason": "2 instances would be hit"}
    ]
    assert item.user_properties == [("verdict", "refused")]


def test_a_record_of_before_there_were_places_is_found_by_its_system(capsys: pytest.CaptureFixture[str]) -> None:
    claim = LocalClaim.take("moved", run="")
    claim.put(new_record(claim, fault="kill api-1", undo=gone(VAULT), run=""))
    claim.release()
    assert main(["recover", "--env", "moved", "--system", VAULT]) == 0
    assert "undone  kill api-1" in capsys.readouterr().out


def on(platform: str, settings: Any = None) -> str:
    return platform_of(System("any", Place(platform, settings))).place()


def test_each_platform_tells_its_places_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://one:2376")
    first = [
        on("compose", ComposeProject("a")),
        on("compose", ComposeProject("b")),
        on("compose", ComposeProject("a", host="tcp://two:2376")),
        on("systemd", SystemdHost("a", {"api": "api"})),
        on("systemd", SystemdHost("b", {"api": "api"})),
        on("kubernetes", Cluster("a")),
        on("kubernetes", Cluster("b")),
        on("kubernetes", Cluster("a", context="other")),
        on("process", ProcessSettings(control=Path("/a"))),
        on("process", ProcessSettings(control=Path("/b"))),
        *(on(platform) for platform in ("compose", "systemd", "kubernetes", "process")),
    ]
    assert len(set(first)) == len(first)
    assert on("compose", ComposeProject("a", host="tcp://one:2376", services={"api": "another"})) == first[0]
    assert on("systemd", SystemdHost("a", {"vault": "vault"})) == first[3]
    assert on("kubernetes", Cluster("a", components={"api": Workload("a", "deployments/vault")})) == first[5]


def in_namespaces(namespace: str, **components: str) -> System:
    found = {name: Workload(there, f"deployments/{name}") for name, there in components.items()}
    return System("shop", Place("kubernetes", Cluster(namespace, components=found)))


@pytest.mark.parametrize(
    ("system", "names"),
    [
        (in_namespaces("app"), {"api": "shop", "postgres": "shop"}),
        (in_namespaces("app", api="app", postgres="app"), {"api": "shop", "postgres": "shop"}),
        (in_namespaces("app", postgres="db"), {"api": "shop.api", "postgres": "shop.postgres"}),
        (in_namespaces("app", api="other"), {"api": "shop.api"}),
        (
            in_namespaces("app", postgres="db", redis="cache"),
            {"api": "shop.api", "postgres": "shop.postgres", "redis": "shop.redis"},
        ),
    ],
)
def test_each_component_is_held_where_it_is(system: System, names: dict[str, str]) -> None:
    for component, name in names.items():
        spot = spot_of(system, component)
        assert spot.name == name
        assert spot.place == platform_of(system).place(component)
    assert spot_of(system) == spot_of(system, "api")
