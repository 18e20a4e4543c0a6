"""Pages that Prometheus takes are taken, and a strange value spoils nothing but itself."""

from __future__ import annotations

import math

import pytest

from drillbook.probes.exposition import NotMetrics, families

WANTED = "# TYPE ops_total counter\nops_total 12\n"


@pytest.mark.parametrize(
    "page",
    [
        WANTED + '# TYPE limit gauge\nlimit{bound="low"} -Inf\nlimit{bound="high"} +Inf\n',
        WANTED + '# TYPE heap gauge\nheap{area="a"} 1.7976931348623157e308\nheap{area="b"} 1.7976931348623157e308\n',
        WANTED + "idle NaN\n",
        WANTED + "# TYPE ops_total counter\n",
        "# TYPE ops_total counter\n" + WANTED,
        '# TYPE ops counter\nops_total 12.0 # {trace_id="0af7"} 1.0\n# EOF\n',
        WANTED + 'odd{path="a } b, \\" c\u2028d"} 1 1700000000000\n',
        WANTED.replace("\n", "\r\n"),
    ],
)
def test_the_wanted_family_is_there_with_its_number(page: str) -> None:
    found = families(page)
    assert (found["ops_total"].samples, found["ops_total"].numbers, found["ops_total"].total) == (1, 1, 12.0)
    assert all(math.isfinite(family.total) for family in found.values())


def test_a_declared_family_without_samples_is_there_and_empty() -> None:
    assert families("# TYPE ops counter\n")["ops_total"].samples == 0
    assert families('# TYPE t histogram\nt_bucket{le="1"} 0\n').keys() == {"t_bucket"}


def test_names_outside_of_the_old_alphabet_stand_among_the_labels() -> None:
    assert families('{"my.ops", code="200"} 3\n')["my.ops"].total == 3


@pytest.mark.parametrize("page", ["<html>", "ops_total", "ops_total twelve", '{"status": "ok"}', '{code="1"} 2'])
def test_what_is_no_exposition_is_refused(page: str) -> None:
    with pytest.raises(NotMetrics, match="line 1"):
        families(page)
