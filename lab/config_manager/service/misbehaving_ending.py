"""Services that do not end as they should."""

import asyncio
import os

from .defects import Defect
from .lifecycle import Service
from .logs import SHUTDOWN_LINES, log

WRONG_EXIT_CODE = 3


class DropsInFlight(Service):
    """drops-in-flight: says all the right things and leaves at once."""

    async def _stop(self) -> int:
        for line in SHUTDOWN_LINES:
            log.info(line)
        os._exit(0)


class NeverDrains(Service):
    """never-drains: begins to shut down and never gets there."""

    async def _stop(self) -> int:
        await self._announce_stop()
        log.info(SHUTDOWN_LINES[1])
        await asyncio.Event().wait()
        return 0


class ExitsNonzero(Service):
    """exit-nonzero: shuts down well and reports a failure."""

    async def _stop(self) -> int:
        await super()._stop()
        return WRONG_EXIT_CODE


def service_class(defects: frozenset[Defect]) -> type[Service]:
    """Return the service that ends as these defects ask for."""
    chosen = {
        Defect.DROPS_IN_FLIGHT: DropsInFlight,
        Defect.NEVER_DRAINS: NeverDrains,
        Defect.EXIT_NONZERO: ExitsNonzero,
    }
    return next((found for defect, found in chosen.items() if defect in defects), Service)
