"""What fails and is not the system's fault: told in one line, with an exit status that no verdict has."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import exits

if TYPE_CHECKING:
    from collections.abc import Generator

    from .gate import Gate

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What a disk says that takes no more."""
_ONLY_SHOW = {
    "collectonly": ("--collect-only", "--collectonly", "--co"),
    "plan": ("--plan",),
    "setupplan": ("--setup-plan",),
    "help": ("--help", "-h"),
    "version": ("--version", "-V"),
    "markers": ("--markers",),
    "showfixtures": ("--fixtures", "--funcargs"),
    "show_fixtures_per_test": ("--fixtures-per-test",),
    "cacheshow": ("--cache-show",),
}
"""Options after which nothing is judged, by their names in pytest's configuration."""


class OwnFailures:
    """Keeps a disk that takes no more of JUnit's or Allure's files from ending the run before its verdicts are told."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Go on with the next test where a reporter could not write about this one."""
        try:
            return (yield)
        except OSError as error:
            if self._gate.journal is None:
                raise
            self._gate.journal.lose(_shown(error))
            item.session._setupstate.teardown_exact(nextitem)  # noqa: SLF001 - pytest has no public word for it
            return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let a test whose evidence the disk does not take be no failure of the system; the run ends with 3."""
        report = yield
        error = _of_the_disk(call.excinfo.value) if call.excinfo is not None else None
        if error is not None and self._gate.journal is not None:
            self._gate.journal.lose(_shown(error))
            report.outcome, report.longrepr = "passed", None
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Tell the verdicts, and end with 3, where a reporter could not write its file at the end."""
        try:
            yield
        except OSError as error:
            if self._gate.journal is None:
                raise
            self._gate.journal.lose(_shown(error))
            session.exitstatus = exits.lost_at_the_end(self._gate)


def check_files(config: pytest.Config) -> None:
    """See that JUnit's and Allure's files can be written. Raises UsageError before anything is asked."""
    junit, allure = config.getoption("xmlpath", None), config.getoption("allure_report_dir", None)
    base = config.invocation_params.dir
    if junit:
        path = base / Path(os.path.expandvars(junit)).expanduser()
        _check_folder("--junitxml", path.parent)
        if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
            raise pytest.UsageError(f"--junitxml {junit}: not a file that can be written")
    if allure:
        _check_folder("--alluredir", base / allure)


def only_shows(config: pytest.Config) -> str | None:
    """Return the option that keeps this run from judging though nobody typed it, or None."""
    typed = {word.partition("=")[0] for word in config.invocation_params.args}
    short = {f"-{letter}" for word in typed if word[:1] == "-" and word[1:2] != "-" for letter in word[1:]}
    for name, words in _ONLY_SHOW.items():
        if config.getoption(name, None) and not {*typed, *short} & set(words):
            return words[0]
    return None


def _check_folder(option: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"{option}: {folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise pytest.UsageError(f"{option}: {folder} cannot be written")


def _of_the_disk(error: BaseException) -> OSError | None:
    """Return the disk's word, where an error, or a group of errors, is nothing else."""
    if isinstance(error, BaseExceptionGroup):
        found = [_of_the_disk(one) for one in error.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, OSError) and error.errno in _DISK else None


def _shown(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
