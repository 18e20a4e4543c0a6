"""The sudden loss of a whole component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...platforms import Kills, Scales
from .coming_back import STARTED
from .family import Family, Way
from .kill import KillInstance
from .replicas_run import RESTORED
from .scale_to_zero import ScaleToZero
from .victims import COMPONENT, replaces, stays_away

if TYPE_CHECKING:
    from ...model import System
    from ..lifecycle import Fault


def kill_component(system: System, component: str) -> Fault:
    """Return the sudden loss of a whole component, until it is undone. Raises PlatformRefused, CannotObserve."""
    stays_away(system, component)
    if replaces(system, component):
        return ScaleToZero.of(system, component, kill=True)
    return KillInstance.of(system, component)


FAMILY = Family(
    name="kill-component",
    does="the sudden loss of a whole component; where replicas are replaced, none is asked for any more",
    call=kill_component,
    parameters=(COMPONENT,),
    ways=(Way((Kills,), STARTED), Way((Scales, Kills), RESTORED)),
)
