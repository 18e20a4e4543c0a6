"""Every family of faults; importing this makes their undos executable: watchdog and ``recover`` act from data alone."""

from . import kill, kill_component, pause, stop, stop_component
from .family import Family, Parameter, UndoKind, Way

FAMILIES = (kill.FAMILY, kill_component.FAMILY, pause.FAMILY, stop.FAMILY, stop_component.FAMILY)

__all__ = ["FAMILIES", "Family", "Parameter", "UndoKind", "Way"]
