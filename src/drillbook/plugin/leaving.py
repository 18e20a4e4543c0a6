"""What pytest and its other plugins show of failures, warnings and log records, redacted on its way out."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ..drill.ends import NotSteady, Refused, TooLittleTraffic
from ..redaction import Redactor
from .verdicts import NotMet, Unknown

if TYPE_CHECKING:
    import warnings
    from collections.abc import Callable, Generator

    from .gate import Gate

_OWN: tuple[type[BaseException], ...] = (NotMet, Unknown, NotSteady, TooLittleTraffic, Refused)
"""Ends that need no traceback: their text says it all, and what was observed in it was redacted when it was judged."""
_OF_PYTEST: tuple[type[BaseException], ...] = (pytest.skip.Exception, pytest.xfail.Exception, pytest.exit.Exception)


class Leaving:
    """Redacts reports, exceptions, warnings, internal errors and log records before anybody shows them."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._made = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._record)

    @property
    def redactor(self) -> Redactor:
        """The environment's, or one that knows no secrets but still hides logins."""
        return self._gate.environment.redactor if self._gate.environment is not None else Redactor()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self,
        item: pytest.Item,  # noqa: ARG002 - pytest passes arguments by name
        call: pytest.CallInfo[Any],
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict's line in the place of a traceback; redact every other one, and what was captured."""
        report = yield
        error = None if call.excinfo is None else call.excinfo.value
        if isinstance(error, _OWN):
            report.longrepr = f"{type(error).__name__}: {self.redactor.own(str(error))}"
        elif report.longrepr and report.failed:
            report.longrepr = self.redactor.block(str(report.longrepr))
        if call.excinfo is not None and error is not None and not isinstance(error, _OF_PYTEST):
            call.excinfo = _excinfo(error, self._text_of)  # Allure shows this one
        report.sections = [(name, self.redactor.block(content)) for name, content in report.sections]
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self) -> Generator[None, object, object]:
        """Raise what a fixture raised without secrets: Allure shows it beside the fixture."""
        try:
            return (yield)
        except _OF_PYTEST:
            raise
        except Exception as error:
            if self._text_of(error) == str(error):
                raise
            raise _without_secrets(error, self._text_of(error)) from None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Redact the errors of collection."""
        report = yield
        if report.failed and report.longrepr is not None:
            report.longrepr = self.redactor.block(str(report.longrepr))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Redact a warning before it is shown, or sent to the process that shows it."""
        text = str(warning_message.message)
        safe = self.redactor.block(text)
        if safe != text:
            kind = warning_message.category
            warning_message.message = _told(kind, safe)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        """Redact a crash of pytest or of a plugin, whoever shows it."""
        safe = self.redactor.block(str(excrepr))
        excrepr.toterminal = lambda writer: writer.write(safe)

    def pytest_unconfigure(self) -> None:
        """Let log records be made as before."""
        logging.setLogRecordFactory(self._made)

    def _text_of(self, error: BaseException) -> str:
        return self.redactor.own(str(error)) if isinstance(error, _OWN) else self.redactor.block(str(error))

    def _record(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        """Make a log record whose text and traceback are redacted: ``--log-file`` and ``log_cli`` show it at once."""
        record = self._made(*arguments, **named)
        with suppress(Exception):  # a record that cannot be formatted is reported by its handler
            safe = self.redactor.block(record.getMessage())
            record.msg, record.args = safe, ()
            if record.exc_info:
                record.exc_text = self.redactor.block(logging.Formatter().formatException(record.exc_info))
        return record


def _excinfo(error: BaseException, text_of: Callable[[BaseException], str]) -> pytest.ExceptionInfo[BaseException]:
    """Return what pytest knows of an exception, its text redacted."""
    safe = _without_secrets(error, text_of(error))
    return pytest.ExceptionInfo.from_exc_info((type(safe), safe, error.__traceback__))  # type: ignore[arg-type] # it was raised


def _without_secrets(error: BaseException, text: str) -> BaseException:
    """Return an exception of the same kind that says another text and nothing else."""
    kind = type(error)
    body: dict[str, Any] = {"__str__": lambda _self: text, "__repr__": lambda _self: f"{kind.__name__}({text!r})"}
    body |= {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    for base in (kind, Exception):
        with suppress(Exception):  # some cannot be made without their arguments, an ExceptionGroup for one
            same: Any = type(kind.__name__, (base,), body)
            made: BaseException = base.__new__(same)
            return made.with_traceback(error.__traceback__)
    return Exception(text)


def _told(kind: type[Warning], text: str) -> Warning:
    try:
        return kind(text)
    except TypeError:
        return Warning(text)
