"""Open-loop availability sampling of one endpoint, from a process of its own.

Run as ``python -m drillbook.traffic.sampler`` it is that process; imported, it is the runner's handle on it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from .. import timeline
from .availability import Answered, Availability, Rules, Sample, measure
from .child import Child, Row, read_rows
from .openloop import Pace

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from .service import Service

RATE_PER_S = 50.0
BAD_AFTER_MS = 500.0


class Sampler:
    """Samples one GET endpoint at a fixed rate and says what a user would have seen.

    Use it as a context manager, or call ``start`` and ``stop``. The death of its process is an error at the next call.

    Args:
        service: where to send; see ``Service`` for what several addresses mean.
        path: the path and query of the endpoint.
        file: where the samples go, one JSON object a line; it must not exist.
        rate_per_s: intended starts a second.
        bad_after_ms: a request is bad when its latency from intended start is above this.
        sustained_s: how long every sample must be good for an outage to be over.
        timeout_s: how long one request may take in all.
        connect_timeout_s: how long connecting to one address may take before the next is tried.
        max_duration_s: the sampling ends by itself after this.
    """

    def __init__(
        self,
        service: Service,
        path: str,
        *,
        file: Path,
        rate_per_s: float = RATE_PER_S,
        bad_after_ms: float = BAD_AFTER_MS,
        sustained_s: float = 1.0,
        timeout_s: float = 5.0,
        connect_timeout_s: float = 1.0,
        max_duration_s: float = 3600.0,
    ) -> None:
        from .sampling import ORDERS, SamplingOrders  # noqa: PLC0415 - loads aiohttp, which a gate does not need

        pace = Pace(rate_per_s, timeout_s, connect_timeout_s, max_duration_s)
        orders = SamplingOrders(service.address(), path, pace, str(file.absolute()), timeline.offset_s())
        self.rules = Rules(rate_per_s, bad_after_ms, sustained_s)
        self._child = Child("drillbook.traffic.sampler", ORDERS.dump_json(orders), file)
        self._samples: list[Sample] = []
        self._reading = threading.Lock()

    def start(self) -> Self:
        """Start sampling; returns once it runs. Raises CannotObserve."""
        self._child.start()
        return self

    @property
    def pid(self) -> int | None:
        """The id of the sampling process once started."""
        return self._child.pid

    def samples(self) -> tuple[Sample, ...]:
        """Return all samples that have finished so far. Raises CannotObserve when the process has died."""
        with self._reading:
            self._samples += map(parse_sample, self._child.rows())
            return tuple(self._samples)

    def availability(self) -> Availability:
        """Return the figures so far, or the final ones once stopped. Raises CannotObserve."""
        return measure(self.samples(), self.rules)

    def stop(self) -> Availability:
        """End the sampling, within about a second, and return the final figures. Raises CannotObserve."""
        with self._reading:
            self._samples += map(parse_sample, self._child.stop())
            return measure(self._samples, self.rules)

    def kill(self) -> None:
        """End it at once, wherever it is; what it wrote down stays."""
        self._child.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._child.kill()
        elif self._child.running:
            self.stop()


def parse_sample(row: Row) -> Sample:
    """Parse one line of a sample file."""
    return Sample(row["n"], row["at"], row["late"], row["ms"], Answered(row["c"]), row["s"], row["u"])


def read_samples(file: Path) -> tuple[Sample, ...]:
    """Read a sample file, so that a run can be judged again without its process."""
    return tuple(parse_sample(row) for row in read_rows(file) if "k" not in row)


if __name__ == "__main__":
    from .sampling import main

    main()
