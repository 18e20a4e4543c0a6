"""What the commands do on a systemd host; each returns an exit status."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from .. import registry
from ..errors import LabError
from ..options import Options
from ..progress import Progress
from . import environment, machine
from .machine import UNITS, Machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NONE_IS_UP = 3
_NEXT = """
Next:
  pytest -m smoke --env systemd              check it
  drillbook lab logs --on systemd            see what it says
  drillbook lab down --on systemd            stop it and remove it"""
_SHOWN = "Id,ActiveState,SubState,MainPID,StatusText,ActiveEnterTimestamp"


def run(given: argparse.Namespace, options: Callable[[], Options]) -> int:
    """Call the command that was asked for. Raises LabError."""
    act: dict[str, Callable[[], int]] = {
        "up": lambda: up(given.system, options()),
        "status": lambda: status(given.system),
        "logs": lambda: logs(given.system, given.name, lines=given.lines),
        "down": lambda: down(given.system),
        "registered": lambda: registered(given.system),
    }
    if given.verb not in act:
        raise LabError(f"on systemd there are {', '.join(act)}; for the rest, ssh and systemctl are on the host")
    return act[given.verb]()


def up(system: str, options: Options) -> int:
    """Start a host, unless one is up."""
    with registry.alone(f"{system}.systemd"):
        found = machine.remembered(system)
        if found is not None and machine.runs(found):
            print(f"{system} {found.version} on systemd is already up, since {found.started_at}")
            _show(found)
            if options != Options() and (options.version, options.defects) != (found.version, found.defects):
                raise LabError("it was started with other options than these; `drillbook lab down --on systemd` first")
            return 0
        if found is not None:
            machine.destroy(found)
        progress = Progress(f"{system} on systemd")
        try:
            found = machine.create(system, options, progress.on)
        finally:
            progress.done()
        environment.write(found)
        print(f"{system} {found.version} on systemd is up")
        _show(found)
        print(_NEXT)
    return 0


def status(system: str) -> int:
    """Show the units as a table; exit status 3 if no host is up."""
    found = _living(system)
    if found is None:
        return _none_is_up(system)
    print(f"{system} {found.version} on systemd, since {found.started_at}, container {found.container}")
    if found.defects:
        print(f"planted defects: {', '.join(found.defects)}")
    text = machine.execute(found, "systemctl", "show", "-p", _SHOWN, *UNITS.values())
    rows = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
    for name, unit in UNITS.items():
        row = next((row for row in rows if row.get("Id") == unit), {})
        state = f"{row.get('ActiveState')} ({row.get('SubState')})"
        words = (f"{name:10}", f"{unit:30}", f"{state:20}", f"pid {row.get('MainPID')}", row.get("StatusText", ""))
        print("  ".join(words).rstrip())
    return 0


def logs(system: str, name: str | None, *, lines: int) -> int:
    """Show the ends of the journals."""
    found = _living(system)
    if found is None:
        return _none_is_up(system)
    if name is not None and name not in UNITS:
        raise LabError(f"there is no unit {name!r}; there are {', '.join(UNITS)}")
    for one in UNITS if name is None else (name,):
        text = machine.execute(found, "journalctl", "--no-pager", "-n", str(lines), "-u", UNITS[one])
        for line in text.splitlines():
            print(f"{one:8} | {line}" if name is None else line)
    return 0


def down(system: str) -> int:
    """Remove the host and all that belongs to it."""
    found = machine.remembered(system)
    if found is None:
        print(f"no {system} lab is up on systemd")
        return 0
    machine.destroy(found)
    print(f"removed the container {found.container} and {found.folder}")
    return 0


def registered(system: str) -> int:
    """Print the record of the host that is up."""
    found = _living(system)
    if found is None:
        return _none_is_up(system)
    print(json.dumps({**dataclasses.asdict(found), "environment": str(found.environment)}))
    return 0


def _living(system: str) -> Machine | None:
    found = machine.remembered(system)
    return found if found is not None and machine.runs(found) else None


def _none_is_up(system: str) -> int:
    print(f"no {system} lab is up on systemd; start one with `drillbook lab up --on systemd`", file=sys.stderr)
    return NONE_IS_UP


def _show(found: Machine) -> None:
    print(
        f"  {'api':12} http://127.0.0.1:{found.ports['api']}  metrics http://127.0.0.1:{found.ports['metrics']}/metrics"
    )
    print(f"  {'ssh':12} ssh -F {found.folder}/ssh_config {machine.ALIAS}")
    if found.defects:
        print(f"  {'defects':12} {', '.join(found.defects)}")
    print(f"  {'environment':12} {found.environment}")
