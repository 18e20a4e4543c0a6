"""Latencies as a histogram that can be merged across processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # the package carries no types

if TYPE_CHECKING:
    from collections.abc import Iterable

LOWEST_MS = 0.001
HIGHEST_MS = 3_600_000.0
_FIGURES = 3
_US_PER_MS = 1000


class Histogram:
    """Latencies from intended start, in milliseconds, kept to three significant figures (0.1 %).

    The range is 1 microsecond to 1 hour; what lies outside counts at the nearer end and is never dropped.
    """

    def __init__(self, latencies_ms: Iterable[float] = ()) -> None:
        self._counts = HdrHistogram(1, int(HIGHEST_MS * _US_PER_MS), _FIGURES)
        for latency_ms in latencies_ms:
            self.record(latency_ms)

    def record(self, latency_ms: float, *, count: int = 1) -> None:
        """Count a latency in milliseconds, from the intended start of the request."""
        within = min(max(latency_ms, LOWEST_MS), HIGHEST_MS)
        self._counts.record_value(round(within * _US_PER_MS), count)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram to this one."""
        self._counts.add(other._counts)

    def percentile_ms(self, percentile: float) -> float:
        """Return the latency in milliseconds that ``percentile`` (0 to 100) of the requests did not exceed.

        Raises:
            ValueError: when nothing was recorded, or the percentile lies outside 0 to 100.
        """
        if not self.count:
            raise ValueError("no latencies were recorded")
        if not 0 <= percentile <= 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"expected a percentile from 0 to 100, got {percentile:g}")
        return float(self._counts.get_value_at_percentile(percentile)) / _US_PER_MS

    @property
    def count(self) -> int:
        """The number of latencies recorded."""
        return int(self._counts.get_total_count())

    @property
    def max_ms(self) -> float:
        """The longest latency in milliseconds; 0 when nothing was recorded."""
        return float(self._counts.get_max_value()) / _US_PER_MS if self.count else 0.0

    @property
    def mean_ms(self) -> float:
        """The mean latency in milliseconds; 0 when nothing was recorded."""
        return float(self._counts.get_mean_value()) / _US_PER_MS if self.count else 0.0

    def encode(self) -> str:
        """Return the histogram as text that other HdrHistogram libraries read too (values in microseconds)."""
        return bytes(self._counts.encode()).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Return the histogram that ``encode`` wrote."""
        found = cls()
        found._counts.decode_and_add(text)
        return found
