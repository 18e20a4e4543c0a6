"""What a person sees: letters while it runs, six lines for each verdict other than MET, one line at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..report import summary, text
from .cases import NotMet, Unknown

if TYPE_CHECKING:
    from collections.abc import Generator

    from .gate import Gate

_MARK = "verdict"


class Terminal:
    """Reports verdicts in pytest's terms: NOT_MET fails, UNKNOWN is an error shown as ``?``."""

    def __init__(self, config: pytest.Config, gate: Gate) -> None:
        self._config = config
        self._gate = gate

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
        item: pytest.Item,  # noqa: ARG002 - pytest passes arguments by name
        call: pytest.CallInfo[Any],
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict's lines in the place of a traceback, and redact every other one."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, NotMet | Unknown):
            report.longrepr = str(call.excinfo.value)
        elif report.longrepr and self._gate.environment is not None and report.failed:
            report.longrepr = self._gate.environment.redactor.text(str(report.longrepr))
        if self._gate.environment is not None:
            redact = self._gate.environment.redactor.text
            report.sections = [(name, redact(content)) for name, content in report.sections]
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Name the verdicts; everything else stays pytest's."""
        verdict = dict(getattr(report, "user_properties", ())).get(_MARK)
        if verdict is None:
            return None
        if hasattr(report, "wasxfail"):
            return "excused", "w", f"{verdict} (excused)"
        if report.failed and report.when == "setup" and verdict == "UNKNOWN":
            return "UNKNOWN", "?", "UNKNOWN"
        if report.failed and report.when == "call" and verdict == "NOT_MET":
            return "NOT_MET", "F", "NOT_MET"
        return None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show each verdict other than MET, what was not judged, and the counts."""
        gate = self._gate
        if gate.worker is not None or gate.environment is None or self._config.option.collectonly:
            return
        if gate.directory is None:
            if not gate.refused and not terminalreporter.stats.get("error"):
                terminalreporter.write_line(_nothing(gate), red=True)
            return
        run = summary.from_journal(gate.directory)
        for line in run.verdicts:
            if line.verdict != "MET":
                first, *rest = text.block(line)
                terminalreporter.write_line("")
                terminalreporter.write_line(first, bold=True, **_colour(line))
                for row in rest:
                    terminalreporter.write_line(row)
        for name, reason in run.not_judged:
            terminalreporter.write_line(f"not judged: {name} ({reason})", yellow=True)
        for waiver in run.expired_waivers:
            terminalreporter.write_line(f"expired waiver: {waiver}: renew or remove it", red=True)
        if not run.verdicts:
            terminalreporter.write_line(_nothing(gate), red=True)
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{text.counts(run)}   {_shown(gate)}   exit {run.run.exit_status}", bold=True)


def _colour(line: summary.Line) -> dict[str, bool]:
    if line.excuse is not None or line.verdict == "UNKNOWN":
        return {"yellow": True}
    return {"red": True}


def _nothing(gate: Gate) -> str:
    assert gate.environment is not None
    systems = ", ".join(sorted({*gate.environment.systems, *gate.environment.lab_systems})) or "no system"
    return f"nothing was judged: {gate.environment.name} has {systems}, and no selected criterion applies to it"


def _shown(gate: Gate) -> str:
    assert gate.directory is not None
    try:
        return str(gate.directory.relative_to(gate.config.invocation_params.dir))
    except ValueError:
        return str(gate.directory)
