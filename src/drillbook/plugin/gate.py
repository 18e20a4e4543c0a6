"""The gate: selects, brings up what is needed, observes once before the first test, ends with an honest status."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import importlib.util
import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from .. import catalogue, labs, rows
from ..environment import BadEnvironment, Environment, known, load, locate, located
from ..journal import CannotKeep, Journal, new_run
from ..journal.events import StatementJudged, StatementNotJudged, StatementsSelected
from ..model import Criterion, Observation, Outcome, Severity, Stage, Verdict
from ..redaction import visible
from ..rounds import Case, Round, readings_of, until_good, verdict_in
from . import evidence, exits, required, selection, unjudged, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from .options import Options

GATE = pytest.StashKey["Gate"]()


def _nobody_holds(systems: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(systems, "nobody here can hold the environment for load")


def _each_once(cases: Iterable[Case]) -> list[Case]:
    """Return each case once: several tests may judge one."""
    return list({id(case): case for case in cases}.values())


class _Progress(logging.Handler):
    """Hands log records to the terminal, one in five seconds."""

    every_s = 5.0

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say
        self._next_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record when the last one is old enough."""
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + self.every_s
            self._say(record.getMessage())


class Gate:
    """One run of Drillbook inside one pytest process (the controller's, or an xdist worker's)."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.worker = workers.input_of(config)
        self.environment: Environment | None = None
        self.journal: Journal | None = None
        self.directory: Path | None = None
        self.refused = False
        """Whether the run ended before anything could be looked at; its error says why."""
        self.exit_status: int | None = None
        """What the run ends with, once that is settled."""
        self._workers_refusal: str | None = None
        self.not_judged: selection.NotJudged = {}
        self.selected: frozenset[selection.Statement] = frozenset()
        """What the tests that are left after selection judge."""
        self.cases: list[Case] = []
        self.ask_for_load: Callable[[Iterable[str]], dict[str, str]] = _nobody_holds
        """Holds the places of systems and returns why no load may be sent, by system; given by who holds for faults."""
        self.load_refused: dict[str, str] = {}
        """The systems to which no load may be sent, each with the reason."""
        self._round = Round(0, {})
        self._labs: tuple[labs.Lab, ...] = ()
        self._labs_have_told = self.worker is not None
        """Whether the environment has what the labs' own files say of their systems."""
        if options.environment is not None:
            self.environment = self._load(self.worker.labs if self.worker is not None else ())
            if wrong := required.mistakes(options.require, self.environment):
                raise pytest.UsageError("\n".join(wrong))
        logger = logging.getLogger("drillbook.load")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = [_Progress(self.say)]
        if options.disrupt is not None and config.getoption("dist", "no") != "no":
            raise pytest.UsageError(
                "--disrupt and -n do not go together: a restarted worker would inject the next fault beside the first"
            )

    # -- selection

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop what does not apply to this environment; note what applies and cannot be judged."""
        if not any(selection.system_of(item) for item in items):
            return
        if self.environment is None:
            known_here = ", ".join(known()) or "none"
            self._refuse(f"no environment: say --env NAME or --env FILE (known: {known_here})", items)
        elif wrong := selection.unknown_ids(items):
            self._refuse("\n".join(wrong), items)
        else:
            self._select(items)

    def _select(self, items: list[pytest.Item]) -> None:
        self._keep_applicable(items)
        if any(selection.sends_load(item) for item in items) and importlib.util.find_spec("locust") is None:
            self._refuse("load is sent by Locust, which is not installed: pip install 'drillbook[load]'", items)

    def _keep_applicable(self, items: list[pytest.Item]) -> None:
        """Leave out what is not judged here, by what is known of the systems; a lab tells the rest when it is up."""
        environment = self.environment
        assert environment is not None
        awaited = frozenset[str]() if self._labs_have_told else frozenset(environment.lab_systems)
        described = environment.systems.keys() - awaited
        self.not_judged |= selection.keep_applicable(items, environment, self.config, described)
        self.selected = selection.statements_of(items, environment)

    def _refuse(self, why: str, items: list[pytest.Item]) -> None:
        """End the run before anything is asked; an xdist worker lets its controller do so."""
        self.refused = True
        if self.worker is None and not hasattr(self.config, "workeroutput"):
            raise pytest.UsageError(why)
        workers.hand_over_refusal(self.config, why)
        items.clear()

    # -- running

    def pytest_sessionstart(self) -> None:
        """With xdist, prepare before the workers start: they are told where the run is."""
        if workers.is_controller(self.config) and not self.config.option.collectonly and self.environment:
            self.prepare()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker which run it belongs to."""
        if self.directory is not None:
            node.workerinput[workers.KEY] = {
                "directory": str(self.directory),
                "labs": [str(lab.environment) for lab in self._labs],
            }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take from an xdist worker what the disk did not take of it."""
        output = getattr(node, "workeroutput", {})
        self._workers_refusal = self._workers_refusal or workers.refusal_in(output)
        if self.journal is not None:
            workers.take_over(output, self.journal)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Observe everything that the selected checks need, concurrently, before the first of them runs."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return
        if self.config.option.collectonly or self.environment is None:
            return
        selected = [item for item in session.items if selection.system_of(item)]
        found = [case for item in selected if (case := selection.case_of(item))]
        self.cases = _each_once(found)
        if not selected and not (self.options.require and self.not_judged):
            return
        if self.worker is not None:
            self._join(self.worker)
        elif self.journal is None:
            here = self.environment.platform == "process"
            before = all(case.criterion.stage is Stage.PREFLIGHT for case in found) and len(found) == len(selected)
            bare = here and before
            self.prepare(with_lab=not bare)
            self._keep_applicable(session.items)
            self.cases = _each_once(case for item in session.items if (case := selection.case_of(item)))
        self._note_selection()
        loads = [case.system for case in self.cases if case.criterion.stage is Stage.LOAD]
        if loads:
            self.load_refused = self.ask_for_load(dict.fromkeys(loads))
            self.cases = [case for case in self.cases if not self._is_refused(case)]
        if self.cases:
            self._observe()

    def prepare(self, *, with_lab: bool = True) -> None:
        """Bring up the lab where the environment asks for one, and open the run's journal; once."""
        assert self.environment is not None
        try:
            directory = new_run(self.options.reports, self.environment.name)
        except CannotKeep as why:
            self.refused = True
            raise pytest.UsageError(str(why)) from None
        try:
            self.bring_up_lab(with_lab=with_lab)
        except BaseException:
            directory.rmdir()
            raise
        self.directory = directory
        self.journal = Journal(self.directory, self.environment.redactor)
        evidence.open_run(self.journal, self.environment)

    def find_instances(self) -> None:
        """Ask the platforms where the instances are, for scenarios; checks ask anew at each round."""
        assert self.environment is not None
        self.environment = located(self.environment)

    def bring_up_lab(self, *, with_lab: bool = True) -> None:
        """Use the labs that are up, or bring them up, for all systems for which the environment asks for one."""
        assert self.environment is not None
        if self.environment.lab_systems and with_lab:
            try:
                self._labs = labs.acquire(self.environment.lab_systems, self.say, self.environment.platform)
            except labs.LabFailed as failed:
                self.refused = True
                raise pytest.UsageError(f"the lab did not come up: {failed}") from None
            self.environment = self._load([lab.environment for lab in self._labs])
        elif self.environment.lab_systems:
            self.environment = selection.with_bare_systems(self.environment)
        self._labs_have_told = True

    def judge(self, case: Case, item: pytest.Item) -> tuple[Verdict, str | None]:
        """Judge a case by what was observed; journal the verdict and say why it is excused, where it is."""
        assert self.environment is not None
        verdict = verdict_in(case, self._round, self.environment)
        readings = readings_of(case, self._round.seen)
        return verdict, self.settle(case.criterion, verdict, item, case.system, readings, self._round.number)

    def settle(
        self,
        criterion: Criterion[Any],
        verdict: Verdict,
        item: pytest.Item,
        system: str,
        readings: list[Observation],
        number: int,
    ) -> str | None:
        """Journal a verdict, attach it to the test, and return why it is excused, where it is."""
        assert self.journal is not None
        excuse = self.excuse(system, criterion, verdict)
        said = catalogue.entry(criterion.id)
        self.journal.write(
            StatementJudged(
                **asdict(verdict),
                system=system,
                test=item.nodeid,
                severity=criterion.severity,
                statement=said.statement,
                heading=said.full_heading,
                remedy=criterion.remedy,
                advice=catalogue.entry(criterion.remedy).full_heading if criterion.remedy else None,
                excuse=excuse,
                round=number,
                readings=tuple((one.probe, one.target) for one in readings),
            )
        )
        with self.journal.losing():
            evidence.attach(item, system, criterion, verdict, excuse, readings)
        return excuse

    def excuse(self, system: str, criterion: Criterion[Any], verdict: Verdict) -> str | None:
        """Return why this verdict on a system does not stop the gate, or None when it does (or is MET)."""
        assert self.environment is not None
        if verdict.outcome is Outcome.MET:
            return None
        if (waived := self.waiver_for(system, verdict.id)) is not None:
            return waived
        if self.options.fail_on is Severity.CRITICAL and criterion.severity is Severity.WARNING:
            return "a warning, below --fail-on critical"
        return None

    def waiver_for(self, system: str, statement: str) -> str | None:
        """Return how a statement of a system is waived today, None where it is not."""
        assert self.environment is not None
        today = dt.datetime.now(dt.UTC).date()
        for waiver in self.environment.waivers:
            if (waiver.system, waiver.id) == (system, statement) and waiver.expires >= today:
                return f"waived until {waiver.expires} by {waiver.owner}: {waiver.reason}"
        return None

    # -- ending

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Settle the exit status and leave the summary."""
        gc.freeze()  # what lives now lives to the end: pytest's closing collections need not walk it (0.06 s)
        if self._workers_refusal is not None:
            self.refused = True
            self.say(f"ERROR: {self._workers_refusal}")
            session.exitstatus = exitstatus = pytest.ExitCode.USAGE_ERROR
        if self.worker is not None and self.journal is not None:
            workers.hand_over(self.config, self.journal)
        if self.worker is not None or self.environment is None:
            return
        if self.config.option.collectonly or self.options.plan or not self._is_about_criteria(session):
            return
        session.exitstatus = self.exit_status = exits.settle(self, session, exitstatus)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Take down the labs that this run brought up, whatever happened."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None
        taken, self._labs = self._labs, ()
        with contextlib.ExitStack() as stack:
            for lab in taken:
                stack.callback(lab.close)

    def say(self, text: str) -> None:
        """Show a line of progress."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self.worker is not None:
            return
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture is not None else contextlib.nullcontext():
            reporter.ensure_newline()
            reporter.write_line(visible(text))

    # -- inside

    def _is_about_criteria(self, session: pytest.Session) -> bool:
        """Say whether this run was meant to judge: it judged, or nothing at all was selected."""
        return self.journal is not None or session.testscollected == 0 or bool(self.cases)

    def _is_refused(self, case: Case) -> bool:
        return case.criterion.stage is Stage.LOAD and case.system in self.load_refused

    def _load(self, lab_environments: Iterable[Path] = ()) -> Environment:
        assert self.options.environment is not None
        try:
            found = load(
                locate(self.options.environment),
                lab_environments=lab_environments,
                expect_version=self.options.expect_version,
            )
            rows.check_objectives(found)
        except BadEnvironment as bad:
            raise pytest.UsageError(str(bad)) from None
        return found

    def _join(self, worker: workers.Worker) -> None:
        """In an xdist worker: take part in the controller's run."""
        assert self.environment is not None
        self.directory = worker.directory
        self.journal = Journal(worker.directory, self.environment.redactor)

    def _note_selection(self) -> None:
        assert self.journal is not None
        self.journal.write(StatementsSelected(tuple(sorted({*self.selected, *self.not_judged}))))
        for (system, name), one in self.not_judged.items():
            said = catalogue.entry(name)
            self.journal.write(StatementNotJudged(system, name, one.reason, said.statement, said.full_heading))

    def _observe(self) -> None:
        assert self.environment is not None
        assert self.journal is not None
        assert self.directory is not None
        environment, journal = self.environment, self.journal
        with workers.first(self.directory, self.worker) as done:
            self._round = done or until_good(
                self.cases,
                environment,
                journal,
                self.options.patience,
                excused=lambda case, verdict: self.excuse(case.system, case.criterion, verdict) is not None,
                progress=self.say,
                besides=unjudged.witnesses(self),
            )
        unjudged.note_seen(self, self._round.seen)
        judged = {(case.system, case.criterion.id) for case in self.cases}
        self.say(selection.headline(judged, {*self.selected, *self.not_judged}, self._round.seen, environment))
