"""What the commands do on Compose; each returns an exit status."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from .. import clock, registry
from ..commands import NONE_IS_UP
from ..errors import LabError
from ..ports import HOST
from ..progress import Progress
from . import engine, project, record
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker.models.containers import Container

    from ..options import Options
    from .project import Project

INSTANCES = 3  # what the runbook scales to
NEXT = """
Next:
  pytest -m smoke --env compose              check it
  drillbook lab logs --on compose            see what it says
  drillbook lab plant --on compose NAME      plant a defect; without a name, heal
  drillbook lab down --on compose            stop it and remove it"""


def up(system: str, options: Options) -> int:
    """Start a lab, unless one is up."""
    with registry.alone(record.key(system)):
        found = record.recall(system)
        if found is None:
            found = _record(system, _watched(f"{system} on Compose", lambda say: project.up(options, say)), options)
            record.remember(found)
            print(f"{system} {found.version} is up on Docker Compose")
            _show(found)
            print(NEXT)
            return 0
    print(f"{system} {found.version} is already up on Docker Compose, since {found.started_at}")
    _show(found)
    if (options.instances, options.version, options.defects) != (found.instances, found.version, found.defects):
        raise LabError("it was started with other options than these; `drillbook lab down --on compose` first")
    return 0


def run(options: Options, *, system: str, owner: int | None, progress: bool) -> int:
    """Hold a lab in the foreground until its owner's end of the pipe is closed, or SIGTERM or SIGINT comes."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    say = _stderr if progress else _nowhere
    ours = project.up(options, say)
    try:
        ready = {"ready": True, "system": system, "environment": str(ours.environment), "project": ours.name}
        print(json.dumps({**ready, "dir": str(ours.directory), "pid": os.getpid()}), flush=True)
        if owner is not None:
            threading.Thread(target=_await_end, args=(owner, over), daemon=True).start()
        over.wait()
    finally:
        project.down(ours, say)
    return 0


def plant(system: str, defects: tuple[str, ...]) -> int:
    """Replace the copies of the service by ones with these defects, or with none."""
    with registry.alone(record.key(system)):
        found = record.recall(system)
        if found is None:
            return _none_is_up(system)
        from ..options import Options  # noqa: PLC0415 - the module above needs it for types alone

        options = Options(instances=found.instances, version=found.version, defects=defects)
        _watched(f"{system} on Compose", lambda say: project.plant(found.of, options, say))
        record.remember(dataclasses.replace(found, defects=defects))
    print(f"planted {', '.join(defects)}" if defects else f"{system} has no planted defects any more")
    return 0


def status(system: str) -> int:
    """Show the containers as a table."""
    found = record.recall(system)
    if found is None:
        return _none_is_up(system)
    print(f"{system} {found.version} as project {found.project}, since {found.started_at}, in {found.dir}")
    if found.defects:
        print(f"planted defects: {', '.join(found.defects)}")
    rows = [("name", "state", "exit", "addresses"), *(_cells(found.project, one) for one in found.of.containers())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def logs(system: str, name: str | None, *, lines: int, follow: bool) -> int:
    """Let ``docker compose logs`` show them: it does it better than we could."""
    found = record.recall(system)
    if found is None:
        return _none_is_up(system)
    services = sorted({_service(one) for one in found.of.containers()})
    if name is not None and name not in services:
        raise LabError(f"there is no service {name!r}; there are {', '.join(services)}")
    words = [*engine.program(), "--project-name", found.project, "logs", f"--tail={lines}"]
    words += ["--follow"] if follow else []
    words += [name] if name else []
    sys.stdout.flush()
    return subprocess.run(words, cwd=found.dir, check=False).returncode


def down(system: str) -> int:
    """Stop the lab, and say what was removed."""
    found = record.recall(system)
    if found is None:
        print(f"no {system} lab is up on Docker Compose")
        return 0
    count = len(found.of.containers())
    _watched(f"{system} on Compose", lambda say: project.down(found.of, say))
    record.forget(system)
    print(f"stopped and removed {count} containers, their networks and volumes, and {found.dir}")
    return 0


def registered(system: str) -> int:
    """Print the record of the lab that is up."""
    found = record.recall(system)
    if found is None:
        return _none_is_up(system)
    print(json.dumps(dataclasses.asdict(found)))
    return 0


def _record(system: str, ours: Project, options: Options) -> Record:
    return Record(
        system=system,
        project=ours.name,
        dir=str(ours.directory),
        environment=str(ours.environment),
        started_at=clock.now(),
        instances=options.instances,
        version=options.version,
        defects=options.defects,
    )


def _watched(title: str, act: Callable[[Callable[[str], None]], Any]) -> Any:
    """Act while showing what is waited for."""
    shown = Progress(title)

    def say(what: str) -> None:
        shown.on(what)
        shown.tick()

    try:
        return act(say)
    finally:
        shown.done()


def _show(found: Record) -> None:
    values = project.values(found.of)
    print(f"  {'entry':12} http://{HOST}:{values['ENTRY_PORT']}")
    for one in found.of.copies():
        name = str(one.name).removeprefix(f"{found.project}-")
        print(f"  {name:12} {_cells(found.project, one)[-1]}")
    print(f"  {'prometheus':12} http://{HOST}:{values['PROMETHEUS_PORT']}")
    print(f"  {'passwords':12} {found.dir}/.env")
    if found.defects:
        print(f"  {'defects':12} {', '.join(found.defects)}")
    print(f"  {'environment':12} {found.environment}")


def _cells(name: str, container: Container) -> tuple[str, ...]:
    state = container.attrs["State"]
    health = state.get("Health", {}).get("Status")
    shown = f"{state['Status']} ({health})" if health and state["Status"] == "running" else state["Status"]
    code = str(state["ExitCode"]) if state["Status"] == "exited" else "-"
    ports = container.attrs["NetworkSettings"]["Ports"]
    addresses = [f"{HOST}:{bound[0]['HostPort']} ({inner.split('/')[0]})" for inner, bound in ports.items() if bound]
    return str(container.name).removeprefix(f"{name}-"), shown, code, ", ".join(sorted(addresses)) or "-"


def _service(container: Container) -> str:
    return str(container.labels.get("com.docker.compose.service", ""))


def _await_end(owner: int, over: threading.Event) -> None:
    """Wait for the end of the owner's pipe."""
    while os.read(owner, 4096):
        pass
    over.set()


def _none_is_up(system: str) -> int:
    print(f"no {system} lab is up on Docker Compose; `drillbook lab up --on compose` starts one", file=sys.stderr)
    return NONE_IS_UP


def _stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _nowhere(line: str) -> None:
    del line
