"""What the commands do; each returns an exit status."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import control, directory, registry, warden
from .errors import LabError
from .follow import follow
from .logs import size, tail
from .options import Options
from .up import launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .registry import Record

NONE_IS_UP = 3
DOWN_S = 30.0
KILLED_S = 10.0
NEXT = """
Next:
  pytest -m smoke --env local   check it
  drillbook lab logs            see what it says
  drillbook lab down            stop it and remove it"""


def run(options: Options, *, owner: int | None, progress: bool) -> int:
    """Hold a lab in the foreground."""
    return warden.run(options, owner=owner, progress=progress)


def up(system: str, options: Options) -> int:
    """Start a lab in the background, unless one is up."""
    with registry.alone(system):
        record = registry.living(system)
        if record is None:
            record = launch(system, options)
            registry.remember(record)
            print(f"{system} {record.version} is up")
            _show(record)
            print(NEXT)
            return 0
    print(f"{system} {record.version} is already up, since {record.started_at}")
    _show(record)
    asked, runs = (options.instances, options.version, options.defects), _make_up(record)
    if options != Options() and asked != runs:
        raise LabError("it was started with other options than these; `drillbook lab down` first")
    return 0


def status(system: str) -> int:
    """Show the processes as a table."""
    directory.sweep()
    record = registry.living(system)
    if record is None:
        return _none_is_up(system)
    rows = _rows(record)
    print(f"{system} {record.version}, since {record.started_at}, in {record.dir}")
    if record.defects:
        print(f"planted defects: {', '.join(record.defects)}")
    heads = ("name", "state", "pid", "starts", "since", "exit", "address")
    table = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def logs(system: str, name: str | None, *, lines: int, follow: bool) -> int:
    """Show the ends of the logs, and what is added to them if asked."""
    record = registry.living(system)
    if record is None:
        return _none_is_up(system)
    files = {row["name"]: Path(row["log"]) for row in _rows(record)}
    files["keeper"] = directory.Layout(Path(record.dir)).log("keeper")
    if name is not None and name not in files:
        raise LabError(f"there is no process {name!r}; there are {', '.join(files)}")
    chosen = files if name is None else {name: files[name]}
    prefixes = {one: f"{one:8} | " if len(chosen) > 1 else "" for one in chosen}
    begins = {one: size(path) for one, path in chosen.items()}
    for one, path in chosen.items():
        for line in tail(path, lines=lines).splitlines():
            print(f"{prefixes[one]}{line}")
    if follow:
        _follow(chosen, begins, prefixes)
    return 0


def down(system: str) -> int:
    """Stop the lab, wait until nothing of it is left, and say what was removed."""
    for root in directory.sweep():
        print(f"removed {root}, left by a lab that was killed")
    record = registry.living(system)
    if record is None:
        print(f"no {system} lab is up")
        return 0
    lock = os.open(directory.Layout(Path(record.dir)).lock, os.O_RDONLY)
    try:
        rows = _rows_if_it_answers(record)
        _wait_for_end(record, lock, asked=_asked_to_end(record))
    finally:
        os.close(lock)
    registry.forget(record)
    stopped = [row["name"] for row in rows if row["pid"] is not None]
    print(f"stopped {', '.join(stopped) or 'the keeper'} and removed {record.dir}")
    return 0


def change(system: str, request: Mapping[str, Any]) -> int:
    """Send a request about one process to the keeper."""
    record = registry.living(system)
    if record is None:
        return _none_is_up(system)
    name = request["name"]
    answer = control.ask(Path(record.control), request, timeout_s=60 + request.get("grace_s", 0))
    if request["do"] == "stop":
        how = ", killed when the grace was over" if answer["killed"] else ""
        print(f"{name} ended with {answer['exit_code']} after {answer['took_s']:.1f} s{how}")
        return 0
    row = answer["process"]
    end = "" if row["exit_code"] is None else f", ended with {row['exit_code']}"
    print(f"{name} is {row['state']}{end}" + (f", pid {row['pid']}" if row["pid"] else ""))
    return 0


def registered(system: str) -> int:
    """Print the record of the lab that is up."""
    record = registry.living(system)
    if record is None:
        return _none_is_up(system)
    print(json.dumps(dataclasses.asdict(record)))
    return 0


def _none_is_up(system: str) -> int:
    print(f"no {system} lab is up; start one with `drillbook lab up`", file=sys.stderr)
    return NONE_IS_UP


def _make_up(record: Record) -> tuple[int, str, tuple[str, ...]]:
    return record.instances, record.version, record.defects


def _rows(record: Record) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = control.ask(Path(record.control), {"do": "list"})["processes"]
    return rows


def _rows_if_it_answers(record: Record) -> list[dict[str, Any]]:
    try:
        return _rows(record)
    except LabError:
        return []


def _show(record: Record) -> None:
    facts = tomllib.loads(Path(record.environment).read_text(encoding="utf-8"))["systems"][record.system]
    for instance in facts["components"]["api"]["instances"]:
        print(f"  {instance['name']:12} {instance['url']}  metrics {instance['metrics']}")
    for row in _rows(record):
        if row["component"] != "api":
            print(f"  {row['name']:12} {row['address']}  password in {facts['components'][row['name']]['url']['file']}")
    if record.defects:
        print(f"  {'defects':12} {', '.join(record.defects)}")
    print(f"  {'environment':12} {record.environment}")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    since = row["exited_at"] or row["started_at"]
    values = (row["name"], row["state"], row["pid"], row["starts"], since, row["exit_code"], row["address"])
    return tuple("-" if value is None else str(value) for value in values)


def _follow(files: Mapping[str, Path], begins: Mapping[str, int], prefixes: Mapping[str, str]) -> None:
    for name, line in follow(files, begins):
        print(f"{prefixes[name]}{line}", flush=True)


def _asked_to_end(record: Record) -> bool:
    try:
        control.ask(Path(record.control), {"do": "down"}, timeout_s=DOWN_S)
    except LabError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _wait_for_end(record: Record, lock: int, *, asked: bool) -> None:
    """Wait until the keeper has let go of its lock; help it with signals when it does not."""
    for number, limit_s in ((None, KILLED_S if asked else 0), (signal.SIGTERM, DOWN_S), (signal.SIGKILL, KILLED_S)):
        if number is not None:
            print(f"the keeper (pid {record.pid}) still runs; it gets {number.name}", file=sys.stderr)
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, number)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if not directory.is_locked(lock):
                return
            time.sleep(0.02)
    raise LabError(f"the keeper (pid {record.pid}) does not end; {record.dir} remains")
