"""The claim as a file on a host, written whole or not at all by one at a time."""

from __future__ import annotations

import base64
import hashlib
import shlex
from typing import TYPE_CHECKING

from ...model import CannotObserve
from ..capabilities import PlatformRefused
from ..claims import Changed, Kept

if TYPE_CHECKING:
    from ..shell import Shell

FOLDER = "/var/lib/drillbook"
FILE = f"{FOLDER}/claim.json"
_NO_FOLDER, _BUSY, _CHANGED = 90, 91, 92
_NOTHING = "none"
_LOCKED = f"""
exec 9>>{FOLDER}/lock || exit {_NO_FOLDER}
flock -w 2 9 || exit {_BUSY}
found={_NOTHING}
[ ! -e {FILE} ] || found=$(sha256sum < {FILE} | cut -d ' ' -f 1)
"""


class HostClaim:
    """The claim of one host, in a folder that the operator has made for it.

    Args:
        shell: runs commands there.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"{FILE} on {self._shell.where.host}"

    def clock_s(self) -> float:
        """Return the host's clock, in seconds since 1970. Raises CannotObserve."""
        said = self._shell.run("date +%s")
        if said.status or not said.out.strip().isdecimal():
            raise CannotObserve(f"cannot read the clock of {self._shell.where.host}", hint="run date +%s on the host")
        return float(said.out)

    def read_claim(self) -> Kept | None:
        """Return the claim, None when there is none. Raises CannotObserve."""
        seen = f"[ ! -d {FOLDER} ] || [ -x {FOLDER} ] || {{ echo 'permission denied' >&2; exit 1; }}"
        said = self._shell.run(f"{seen}; [ ! -e {FILE} ] || base64 -w 0 {FILE}")
        if said.status:
            raise CannotObserve(f"cannot read {self.place}: {said.err.strip()}", hint=f"ls -l {FOLDER} on the host")
        if not said.out.strip():
            return None
        raw = base64.b64decode(said.out)
        return Kept(raw.decode("utf-8", errors="replace"), hashlib.sha256(raw).hexdigest())

    def write_claim(self, text: str, *, over: Kept | None) -> None:
        """Write it over the one that was read, or where none was. Raises Changed, PlatformRefused, CannotObserve."""
        whole = shlex.quote(base64.b64encode(text.encode()).decode())
        write = (
            f"printf %s {whole} | base64 -d > {FILE}.new && sync {FILE}.new && mv {FILE}.new {FILE} && sync {FOLDER}"
        )
        self._change(write, over)

    def remove_claim(self, *, over: Kept) -> None:
        """Remove the one that was read; one that is gone is fine. Raises Changed, PlatformRefused, CannotObserve."""
        self._change(f"rm -f {FILE} && sync {FOLDER}", over, gone_is_fine=True)

    def _change(self, command: str, over: Kept | None, *, gone_is_fine: bool = False) -> None:
        expected = _NOTHING if over is None else over.version
        gone = f'[ "$found" != {_NOTHING} ] || exit 0\n' if gone_is_fine else ""
        said = self._shell.run(f'{_LOCKED}{gone}[ "$found" = {expected} ] || exit {_CHANGED}\n{command}')
        if said.status == _CHANGED:
            raise Changed(self.place)
        if said.status:
            reason = "somebody else writes it" if said.status == _BUSY else said.err.strip().rpartition("\n")[2]
            raise PlatformRefused(
                f"cannot write {self.place}: {reason}",
                hint=f"make the folder there for the user who comes in: install -d -o USER -m 750 {FOLDER}",
            )
