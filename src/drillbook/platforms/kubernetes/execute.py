"""Commands in a pod, over the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...polling import TimedOut
from ..capabilities import Executed, PlatformRefused
from ..limited import limited

if TYPE_CHECKING:
    from .api import Api, Object

_STATUS_CHANNEL = 3
_HINT = "try the same by hand: kubectl exec"


def in_pod(api: Api, pod: str, command: tuple[str, ...], *, limit_s: float) -> Executed:
    """Run a command in a pod's first container to its end.

    Raises:
        PlatformRefused: it cannot be run, or takes too long; then it may go on in there.
    """
    what = f"execute in {pod}"
    try:
        ended = limited(lambda: api.execute(pod, command), what=what, limit_s=limit_s)
    except TimedOut as error:
        raise PlatformRefused(str(error), hint="look into the pod") from None
    except Exception as error:  # noqa: BLE001 - the library wraps whatever the websocket raises
        lines = str(getattr(error, "reason", None) or error).strip().splitlines()
        reason = lines[0].partition(" -+-+- ")[0] if lines else type(error).__name__  # headers follow that sign
        raise PlatformRefused(f"{what}: {reason}", hint=_HINT) from None
    return Executed(_exit_code(ended, what), str(ended.read_all()))


def _exit_code(ended: Any, what: str) -> int:
    """Return how the command ended, by the status that follows its output. Raises PlatformRefused."""
    try:
        status: Object = json.loads(ended.read_channel(_STATUS_CHANNEL))
    except ValueError:
        raise PlatformRefused(f"{what}: the API does not say how it ended", hint=_HINT) from None
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    if code is None:
        raise PlatformRefused(f"{what}: {str(status.get('message'))[:300]}", hint=_HINT)
    return int(code)
