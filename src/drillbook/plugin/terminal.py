"""What a person sees: letters while it runs, six lines for each verdict other than MET, one line at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..redaction import visible
from ..report import summary, text
from . import exits, workers

if TYPE_CHECKING:
    import pytest

    from .gate import Gate

_MARK = "verdict"


class Terminal:
    """Reports verdicts in pytest's terms: NOT_MET fails, UNKNOWN is an error shown as ``?``."""

    def __init__(self, config: pytest.Config, gate: Gate) -> None:
        self._config = config
        self._gate = gate

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Name the verdicts; everything else stays pytest's."""
        verdict = dict(getattr(report, "user_properties", ())).get(_MARK)
        if verdict is None:
            return None
        if hasattr(report, "wasxfail"):
            return "excused", "w", f"{verdict} (excused)"
        if report.failed and report.when == "setup" and verdict == "refused":
            return "refused", "R", "refused"
        if report.failed and report.when in {"setup", "call"} and verdict == "UNKNOWN":
            return "UNKNOWN", "?", "UNKNOWN"
        if report.failed and report.when == "call" and verdict == "NOT_MET":
            return "NOT_MET", "F", "NOT_MET"
        return None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show each verdict other than MET, what was not judged, and the counts."""
        gate = self._gate
        if gate.worker is not None or gate.environment is None or self._config.option.collectonly:
            return
        if gate.options.plan:
            return
        if gate.directory is None:
            if not gate.refused and not terminalreporter.stats.get("error"):
                terminalreporter.write_line(visible(_nothing(gate)), red=True)
            return
        run = exits.sum_up(gate)
        if workers.is_controller(self._config):  # the workers' own headers are seen by nobody
            systems = ", ".join(run.run.systems)
            terminalreporter.write_line(visible(f"drillbook {run.run.environment}: {systems}, {text.how_much(run)}"))
        _show_verdicts(terminalreporter, run)
        _show_the_rest(terminalreporter, run)
        if not (run.verdicts or run.refused or gate.refused) and not terminalreporter.stats.get("failed"):
            terminalreporter.write_line(visible(_nothing(gate)), red=True)
        terminalreporter.write_line("")
        for line in run.drills:
            terminalreporter.write_line(visible(line), bold=True)
        if gate.journal is not None and gate.journal.lost:
            terminalreporter.write_line(visible(f"evidence was lost: {gate.journal.lost}"), red=True)
        terminalreporter.write_line(text.last_line(run, _shown(gate), gate.exit_status), bold=True)


def _show_verdicts(reporter: pytest.TerminalReporter, run: summary.Summary) -> None:
    for verdict in run.verdicts:
        if verdict.verdict != "MET":
            first, *rest = text.block(verdict)
            reporter.write_line("")
            reporter.write_line(first, bold=True, **_colour(verdict))
            for row in rest:
                reporter.write_line(row)


def _show_the_rest(reporter: pytest.TerminalReporter, run: summary.Summary) -> None:
    if run.not_judged:
        reporter.write_line("")
    for row in text.not_judged(run):
        reporter.write_line(visible(row), yellow=True)
    for test, reason in run.refused:
        reporter.write_line(visible(f"refused: {test}: {reason}"), red=True)
    if run.unsettled:
        reporter.write_line(f"not settled: {run.unsettled} when time was up; raise --within", yellow=True)
    for waiver in run.expired_waivers:
        reporter.write_line(visible(f"expired waiver: {waiver}: renew or remove it"), red=True)


def _colour(line: summary.Line) -> dict[str, bool]:
    if line.excuse is not None or line.verdict == "UNKNOWN":
        return {"yellow": True}
    return {"red": True}


def _nothing(gate: Gate) -> str:
    assert gate.environment is not None
    if gate.not_judged:
        reasons = "; ".join(sorted({one.reason for one in gate.not_judged.values()}))
        return f"nothing was judged: {len(gate.not_judged)} selected criteria cannot be judged here: {reasons}"
    if gate.config.option.keyword:
        return f"nothing was judged: no test that applies to {gate.environment.name} matches -k {_quoted(gate)}"
    systems = ", ".join(sorted({*gate.environment.systems, *gate.environment.lab_systems})) or "no system"
    return f"nothing was judged: {gate.environment.name} has {systems}, and no selected criterion applies to it"


def _quoted(gate: Gate) -> str:
    marks = f' and -m "{gate.config.option.markexpr}"' if gate.config.option.markexpr else ""
    return f'"{gate.config.option.keyword}"{marks}; --collect-only without -k lists what there is'


def _shown(gate: Gate) -> str:
    assert gate.directory is not None
    try:
        return str(gate.directory.relative_to(gate.config.invocation_params.dir))
    except ValueError:
        return str(gate.directory)
