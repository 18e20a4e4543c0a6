"""The stop of a whole component in good order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...platforms import Scales, Stops
from .coming_back import STARTED
from .family import Family, Parameter, Way
from .replicas_run import RESTORED
from .scale_to_zero import ScaleToZero
from .stop import GRACE_S, StopInstance
from .victims import COMPONENT, replaces, stays_away

if TYPE_CHECKING:
    from ...model import System
    from ..lifecycle import Fault


def stop_component(system: System, component: str, *, grace_s: float = GRACE_S) -> Fault:
    """Return the stop of a whole component, as its platform does it. Raises PlatformRefused, CannotObserve."""
    stays_away(system, component)
    if replaces(system, component):
        return ScaleToZero.of(system, component)
    return StopInstance.of(system, component, grace_s=grace_s)


GRACE = Parameter("grace_s", "as for stop; where replicas are replaced, their own grace holds instead")
FAMILY = Family(
    name="stop-component",
    does="a stop of all instances; where replicas are replaced, none is asked for any more",
    call=stop_component,
    parameters=(COMPONENT, GRACE),
    ways=(Way((Stops,), STARTED), Way((Scales,), RESTORED)),
)
