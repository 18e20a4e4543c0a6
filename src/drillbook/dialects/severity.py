"""Severities: every logger's words and numbers on OpenTelemetry's scale of 1 to 24.

Source: OpenTelemetry, Logs Data Model, "Severity Fields" and appendix B.
"""

from __future__ import annotations

import re

NUMBERS = {
    "DEBUG": 5, "INFO": 9, "NOTICE": 10, "WARNING": 13, "ERROR": 17, "CRITICAL": 18, "ALERT": 19, "FATAL": 21,
    "PANIC": 21, "EMERGENCY": 21,
}  # fmt: skip
"""Our level names by their severity number."""
LEVELS = frozenset(NUMBERS)
WORDS = {name: name for name in NUMBERS} | {
    "TRACE": "DEBUG", "VERBOSE": "DEBUG", "SILLY": "DEBUG", "FINE": "DEBUG", "FINER": "DEBUG", "FINEST": "DEBUG",
    "CONFIG": "INFO", "HTTP": "INFO", "LOG": "INFO", "INFORMATION": "INFO", "INFORMATIONAL": "INFO", "SUCCESS": "INFO",
    "DEFAULT": "INFO", "WARN": "WARNING", "ERR": "ERROR", "EROR": "ERROR", "ERRO": "ERROR", "SEVERE": "ERROR",
    "FAIL": "ERROR",
    "EXCEPTION": "ERROR", "CRIT": "CRITICAL", "DPANIC": "CRITICAL", "EMERG": "EMERGENCY",
    "TRC": "DEBUG", "TRCE": "DEBUG", "DBG": "DEBUG", "DBUG": "DEBUG", "VRB": "DEBUG", "INF": "INFO", "WRN": "WARNING",
    "FTL": "FATAL", "PNC": "PANIC", "T": "DEBUG", "D": "DEBUG", "V": "DEBUG", "I": "INFO", "N": "NOTICE",
    "W": "WARNING", "E": "ERROR", "F": "FATAL", "C": "CRITICAL", "A": "ALERT", "P": "PANIC",
}  # fmt: skip
"""Other words for them: log15's ``eror``, java.util.logging's ``SEVERE``, .NET's ``fail``, klog's letters."""
_SYSLOG = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_PINO = ((60, "FATAL"), (50, "ERROR"), (40, "WARNING"), (30, "INFO"), (0, "DEBUG"))
_PYTHON = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))
_OTEL = ((21, "FATAL"), (19, "ALERT"), (18, "CRITICAL"), (17, "ERROR"), (13, "WARNING"), (9, "INFO"), (1, "DEBUG"))
_GRADED = re.compile(r"(?P<word>[A-Z]+)(?:[1-4]|[+-]\d{1,3})")  # OpenTelemetry's INFO2, slog's ERROR+2
_STEPS = {"pino": _PINO, "python": _PYTHON, "otel": _OTEL}


def named(said: str) -> str:
    """Return the level that a word means in any case, or an empty text for a word that is none."""
    if (found := WORDS.get(said)) is not None:
        return found
    word = said.strip().upper()
    if (found := WORDS.get(word)) is not None:
        return found
    graded = _GRADED.fullmatch(word)
    return WORDS.get(graded["word"], "") if graded else ""


def numbered(number: float, scale: str) -> str:
    """Return the level of a number on a logger's scale: ``syslog``, ``pino``, ``python`` or ``otel``; empty if none."""
    if scale == "syslog":
        return _SYSLOG[int(number)] if 0 <= number < len(_SYSLOG) else ""
    return next((name for least, name in _STEPS[scale] if number >= least), "")
