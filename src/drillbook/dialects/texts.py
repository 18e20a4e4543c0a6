"""Entries that are text: one row for each dialect, tried in order on what follows the line's time.

A row's pattern covers what stands before the message, so that the message may hold anything: ``level=error`` in it says
nothing. Rows for one logger come before the rows for everybody's own formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from . import severity

_WORD = r"(?P<level>[A-Za-z]{1,13}\d?)"
_CAPITALS = "|".join(sorted((word for word in severity.WORDS if len(word) > 1), key=len, reverse=True))
_CAPITAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_COMMON = "trace|debug|info|information|warn|warning|error|err|critical|crit|fatal|panic"
_MARKED = rf"(?P<level>(?i:{_CAPITALS}|[TDIWEFCV]))"
_BARE = rf"(?P<level>(?:{_CAPITALS})\d?)"
_PATH = r"[A-Za-z_$][\w$]*(?:[.:/$-]+\w[\w$]*)+"  # a logger's name of more than one part
_PLACE = r"[\w./\\<>$-]+:\d+"
_AHEAD = (
    r"(?:\[[^\]\n]{0,120}\]|\([^)\n]{0,120}\)|#?\d+(?:[#:]\d+)?:?|[-|]+|\w{1,20}=\S+"
    rf"|{_PLACE}|{_PATH}:?)"
)
_SPAN = r'(?:\w[\w.-]*(?:\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\})?:)+ '  # outer{id=7}:inner:
_SPANS = rf"(?:(?=[\w.:-]*\{{){_SPAN}|{_SPAN}(?=\w+(?:::\w+)+: ))?"  # with fields, or before a path: else a message
_PG = r"(?:\[\d+(?:-\d+)?\]:? )?(?:\S+@\S+ )?"
_PG_LEVELS = r"(?P<level>DEBUG[1-5]|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC)"
_DOTNET = "trce|dbug|info|warn|fail|crit"
_PG_MORE = "DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION"
_REQUEST = r'(?:\[[^\]]*\] )?"(?:[A-Z]{3,10} \S+ HTTP/[\d.]+|[^"]*)" \d{3} (?:\d+|-)'
_SIGN = r"[:,]?\s*"
_END = r"(?=[\s:|,\])>-]|$)"


@dataclass(frozen=True)
class Dialect:
    """How one logger begins a line: a pattern with ``level``, perhaps ``logger``; what follows it is the message."""

    name: str
    pattern: str
    level: str = ""
    """``none`` for a line that has no levels (an access log), ``same`` for one that goes on with the line before."""
    dated: bool | None = None
    """True: only after a time; False: only without one."""
    begins: str = ""
    """The characters that such a line can begin with, where they are few: no other line is tried."""


DIALECTS = (
    Dialect("loguru", rf"\|\s*{_WORD}\s*\|\s*(?P<logger>\S+):\S*:\d+ - ", dated=True, begins="|"),
    Dialect("python dashes", rf"- (?P<logger>[\w.$-]+) - {_WORD}\s* - ", dated=True, begins="-"),
    Dialect("zap console", rf"\t{_WORD}\t(?:(?P<logger>[\w./-]+)\t)??(?:[\w./@-]+:\d+\t)?", dated=True, begins="\t"),
    Dialect("spring boot", rf"\s*{_WORD} \d+ --- (?:\[[^\]]*\] ?)+(?P<logger>\S+)\s*: ", dated=True),
    Dialect("log4j, logback", rf"\s*\[[^\]]*\]\s+{_BARE}\s+(?P<logger>[\w.$\[\]/-]+) -+ "),
    Dialect(
        "rust tracing",
        rf"(?P<level> INFO| WARN|ERROR|DEBUG|TRACE) {_SPANS}(?:ThreadId\(\d+\) )?(?P<logger>[A-Za-z_]\w*(?:::\w+)*): ",
        dated=True,
        begins=" EDT",
    ),
    Dialect("nginx error", rf"\[{_WORD}\] \d+#\d+: (?:\*\d+ )?", dated=True, begins="["),
    Dialect("structlog console", rf"\[{_WORD}\s*\] ", dated=True, begins="["),
    Dialect("gunicorn", rf"\[\d+\] \[{_WORD}\] ", dated=True, begins="["),
    Dialect("postgresql", rf"{_PG}{_PG_LEVELS}:  ", dated=True),
    Dialect("postgresql, more", rf"{_PG}(?:{_PG_MORE}):  ", level="same", dated=True),
    Dialect("env_logger", rf"{_BARE}\s+(?P<logger>[\w:]+)\] ", dated=True, begins=_CAPITAL),
    Dialect("haproxy start", rf"\[{_WORD}\]\s+(?:\d+/\d+ )?\(\d+\) : ", dated=False, begins="["),
    Dialect("dotnet console", rf"(?P<level>{_DOTNET}): (?P<logger>[^\s\[\]]+)\[-?\d+\](?:\s|$)", begins="tdiwfc"),
    Dialect("python basic", rf"{_BARE}:(?P<logger>[\w.$-]+):", dated=False, begins=_CAPITAL),
    Dialect("ruby", rf"#\d+\]\s+{_BARE} -- (?P<logger>\S*): ", dated=True, begins="# "),
    Dialect("access log", _REQUEST, level="none", dated=True, begins='["'),
    # everybody's own: numbers, names and brackets, then the level as a word of its own
    Dialect("head", rf"{_SIGN}{_BARE}{_END}", begins=_CAPITAL + " "),
    Dialect("marked", rf"{_SIGN}(?:{_AHEAD}\s+){{0,5}}?[\[(<]\s*{_MARKED}\s*[\])>]:?"),
    Dialect("columns", rf"{_SIGN}(?:{_AHEAD}\s+){{0,5}}?\|\s*{_MARKED}\s*\|"),
    Dialect("bare", rf"{_SIGN}(?:{_AHEAD}\s+){{0,5}}?{_BARE}{_END}"),
    Dialect("named", rf"{_SIGN}(?:{_AHEAD}\s+){{0,2}}?(?P<level>(?i:{_CAPITALS})):(?=\s|$)"),
    Dialect("after a name", rf"{_SIGN}(?:[-|]+\s+)?(?P<logger>[a-z][\w-]{{0,40}}):?\s+(?:[-|]+\s+)?{_BARE}{_END}"),
    Dialect("lower case", rf"{_SIGN}(?P<level>(?i:{_COMMON}))(?=\s)", dated=True),
    Dialect("letter", rf"{_SIGN}(?P<level>[TDIWEF])(?=[\s/])", dated=True),
)  # fmt: skip
_NAME = r"[A-Za-z_$][\w$-]*(?:(?:\.|::|/|:(?!\s))[\w$-]+)+"
NAMELESS = re.compile(
    rf"\s*(?:[-|:,]+\s+)*(?:\[[^\]\n]{{0,80}}\]\s+(?={_NAME}))?"
    rf"(?:(?P<logger>{_NAME})(?::\s+|\s+[-:|]+\s+|(?<=\.py:\d)\s+|(?<=\.py:\d\d)\s+|(?<=\.py:\d\d\d)\s+))?"
)
"""What may still stand between a level and its message in everybody's own formats: signs, a name of several parts."""
JUL = re.compile(r"[A-Z][a-z]{2} \d\d?, \d{4},? \d\d?:\d\d:\d\d\s[AP]M \S+ \S+$")
KLOG = re.compile(
    r"(?P<level>[IWEF])(?P<month>\d\d)(?P<day>\d\d) (?P<clock>\d\d:\d\d:\d\d\.\d{6})\s+\d+ [\w.-]+:\d+\] "
)
REDIS = re.compile(r"(?P<pid>\d+):(?P<role>[XCSM]) (?=\d)")
REDIS_SIGNAL = re.compile(r"\d+:signal-handler \((?P<time>\d{10})\) ")
REDIS_MARKS = {".": "DEBUG", "-": "DEBUG", "*": "NOTICE", "#": "WARNING"}
LOGRUS = re.compile(r"(?P<level>[A-Z]{4,5})\[(?:\d{4}|(?P<time>\d{4}-\d\d-\d\dT[^\]]+))\] ?")
ACCESS = re.compile(r"\S+ \S+ [^\[\"]{1,80} \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:[^\]]+)\] \"")
HAPROXY = re.compile(r"[\da-fA-F.:\[\]*]+:\d+ \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:[\d:.]+)\] \S+ \S+")
CRASH = re.compile(
    r"Traceback \(most recent call last\)|panic: |fatal error: |thread '.*' (?:\(\d+\) )?panicked|Exception in thread "
    r"|Unhandled exception\b|Uncaught |Segmentation fault|FATAL EXCEPTION|terminate called after"
)
"""What no logger wrote: a program's last words."""
_FRAME = re.compile(
    r"Caused by: |Suppressed: |During handling of the above|The above exception was|\.\.\. \d+ (?:more|common)"
    r"|> File \"|goroutine \d+ \[|created by |exit status \d+|\[signal |stack backtrace:|note: run with|at \S+\(.*\)$"
    r"|[│╭╰├└❱]|[\w./*()\-]+\.[\w.()*{}\[\]-]+(?:\(.*\))?$|(?:DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION):  "
    r"|[}\])]+[,;]?$|-{3,} End of (?:inner )?"
)
_SUMMARY = re.compile(r"[\w.$]{0,200}(?:Error|Exception|Exit|Interrupt|Throwable|Warning|Iteration)\b")
_PAIR = re.compile(r'([\w.@/-]{1,80})=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')


@cache
def rows(begin: str, dated: bool) -> tuple[tuple[Dialect, re.Pattern[str]], ...]:  # noqa: FBT001 - the cache's key
    """Return the rows for lines with a time, or without, that begin with a character, with their patterns."""
    chosen = (row for row in DIALECTS if row.dated in {None, dated} and (not row.begins or begin in row.begins))
    return tuple((row, re.compile(row.pattern)) for row in chosen)


def pairs(text: str) -> dict[str, str]:
    """Return the ``key=value`` pairs that a text begins with, up to the first word that is none."""
    found: dict[str, str] = {}
    at = 0
    while pair := _PAIR.match(text, at):
        said = pair[2]
        found.setdefault(pair[1], said[1:-1].replace('\\"', '"') if said.startswith('"') else said)
        at = pair.end()
    return found


def without_name(text: str, begin: int) -> tuple[str, str]:
    """Return the message that begins at a place, or after signs and a logger's name there, and that name."""
    found = NAMELESS.match(text, begin)
    return (text[found.end() :], found["logger"] or "") if found else (text[begin:], "")


def is_frame(text: str) -> bool:
    """Say whether a line is one of a stack's, or another that never stands alone."""
    return _FRAME.match(text) is not None


def is_summary(text: str) -> bool:
    """Say whether a line begins with the name of an exception."""
    return _SUMMARY.match(text) is not None
