from __future__ import annotations

import pytest

from drillbook.traffic.histogram import Histogram


def test_percentiles_are_true_to_three_figures() -> None:
    found = Histogram(range(1, 10_001))
    assert found.count == 10_000
    assert found.percentile_ms(50) == pytest.approx(5_000, rel=0.002)
    assert found.percentile_ms(99.9) == pytest.approx(9_990, rel=0.002)
    assert found.max_ms == pytest.approx(10_000, rel=0.002)
    assert found.mean_ms == pytest.approx(5_000, rel=0.002)


def test_merging_is_the_same_as_recording_together() -> None:
    left, right = Histogram([1, 2, 3]), Histogram.decode(Histogram([100, 200]).encode())
    left.merge(right)
    together = Histogram([1, 2, 3, 100, 200])
    assert left.count == 5
    assert [left.percentile_ms(p) for p in (0, 50, 100)] == [together.percentile_ms(p) for p in (0, 50, 100)]


def test_what_is_outside_the_range_counts_at_its_end() -> None:
    found = Histogram([-5, 0, 1e9])
    assert found.count == 3
    assert found.max_ms == pytest.approx(3_600_000, rel=0.002)


def test_nothing_recorded_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no latencies"):
        Histogram().percentile_ms(99)
    with pytest.raises(ValueError, match="from 0 to 100"):
        Histogram([1]).percentile_ms(101)
