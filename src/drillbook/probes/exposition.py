"""The text formats of metrics pages, Prometheus' own and OpenMetrics, read as leniently as Prometheus reads them.

The client library's parser makes an object of each sample (5 s for a page of 7 MB, in which no other probe gets on) and
refuses a page of two exporters in a row. Here a page is read line by line, and a strange value spoils its sum alone.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from dataclasses import dataclass

_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_SAMPLE = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)?[ \t]*"
    rf'(?:\{{(?:[ \t]*({_QUOTED})[ \t]*(?=[,}}]))?[^"}}]*(?:{_QUOTED}[^"}}]*)*\}})?'
    r"[ \t]*([^ \t#{}\"]+)(?:[ \t]+[-+0-9.eE]+)?[ \t]*(?:#[ \t].*)?"
)
"""Name, labels, value, time, exemplar; a name outside of the old alphabet stands quoted among the labels."""
_OF_A_FAMILY = ("", "_total", "_bucket", "_sum", "_count", "_created", "_info", "_gsum", "_gcount")
"""What the names of samples add to the name of their family."""
_GREATEST = sys.float_info.max


class NotMetrics(ValueError):
    """A line of the page is neither a sample nor a comment."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family: how many samples it has, how many of them are numbers, and the sum of the finite ones."""

    samples: int
    numbers: int
    total: float


def families(text: str) -> dict[str, Family]:
    """Return the families of a page by the names that their samples carry, declared ones without samples too.

    Raises:
        NotMetrics: for a page that Prometheus would refuse.
    """
    declared: dict[str, str] = {}
    values: dict[str, list[float]] = {}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(" \t\r")
        if line.startswith("#"):
            _declare(line, declared)
        elif line:
            name, value = _sample(line, number)
            values.setdefault(name, []).append(value)
    found = {name: _family(seen) for name, seen in values.items() if not name.endswith("_created")}
    for family, kind in declared.items():
        if not any(f"{family}{suffix}" in found for suffix in _OF_A_FAMILY):
            total = "_total" if kind == "counter" and not family.endswith("_total") else ""
            found[family + total] = Family(0, 0, 0.0)
    return found


def _declare(line: str, declared: dict[str, str]) -> None:
    words = line[1:].split(maxsplit=3)
    if len(words) >= 3 and words[0] == "TYPE":  # noqa: PLR2004 - TYPE, name, type
        declared[words[1].strip('"')] = words[2]


def _sample(line: str, number: int) -> tuple[str, float]:
    if found := _SAMPLE.fullmatch(line):
        name, quoted, value = found.groups(default="")
        with contextlib.suppress(ValueError):
            if name or quoted:
                return name or quoted.strip('"'), float(value)
    raise NotMetrics(f"line {number} is no sample: {line[:80]!r}")


def _family(values: list[float]) -> Family:
    total = sum(value for value in values if math.isfinite(value))
    return Family(
        samples=len(values),
        numbers=sum(not math.isnan(value) for value in values),
        total=max(-_GREATEST, min(_GREATEST, total)),
    )
