"""up, status, logs and down on Kubernetes; each returns an exit status."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import registry
from ..directory import write_private
from ..errors import LabError
from ..options import Options
from ..progress import Progress
from . import address, files, waiting
from .kubectl import Kubectl, current

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAMESPACE = "llm-config"
NONE_IS_UP = 3
GONE_S = 120.0
_LOOK_S = 0.5
_MANAGED = "app.kubernetes.io/managed-by=drillbook-lab"
NEXT = """
Next:
  pytest -m smoke --env kubernetes                check it
  drillbook lab logs --on kubernetes              see what it says
  drillbook lab down --on kubernetes              remove it"""


@dataclass(frozen=True)
class Record:
    """The lab that is up, as remembered in the state directory."""

    system: str
    kubeconfig: str
    context: str
    namespace: str
    version: str
    defects: tuple[str, ...]

    @property
    def kubectl(self) -> Kubectl:
        """Where the lab is, whatever is current by now."""
        return Kubectl(self.kubeconfig, self.context, self.namespace)


def run(given: argparse.Namespace) -> int:
    """Run one of the commands. Raises LabError, also for one that pods do not know."""
    system = getattr(given, "system", "config-manager")
    if given.verb == "up":
        options = Options(given.instances or Options().instances, given.version, tuple(given.defect), given.service)
        return up(system, given.namespace, options)
    act: dict[str, Callable[[Record], int]] = {
        "status": status,
        "logs": lambda record: logs(record, given.name, lines=given.lines, follow=given.follow),
        "registered": registered,
        "down": down,
    }
    if given.verb not in act:
        raise LabError(f"{given.verb} is not to be had on Kubernetes: pods are replaced, not started and stopped")
    record = _record(system)
    if record is None:
        print(f"no {system} lab is up on Kubernetes; `drillbook lab up --on kubernetes` starts one", file=sys.stderr)
        return 0 if given.verb == "down" else NONE_IS_UP
    return act[given.verb](record)


def up(system: str, namespace: str, options: Options) -> int:
    """Apply everything and wait until it is ready; says what it waits for. Raises LabError."""
    if options.instances != Options().instances or any("=" in defect for defect in options.defects):
        raise LabError(
            "on Kubernetes the runbook's three copies run, all alike: no --instances, no --defect NAME=INSTANCE"
        )
    with registry.alone(f"kubernetes-{system}"):
        record = _record(system)
        if record is not None:
            print(f"{system} {record.version} is already up in namespace {record.namespace} of {record.context}")
            return status(record)
        kubectl = current(namespace)
        if kubectl.run("get", "namespace", namespace, "--ignore-not-found"):
            raise LabError(
                f"namespace {namespace} of {kubectl.context} exists and is not this lab's; choose --namespace"
            )
        began = time.monotonic()
        record = Record(system, kubectl.kubeconfig, kubectl.context, namespace, options.version, options.defects)
        entry = _bring_up(record)
    took_s = time.monotonic() - began
    print(f"{system} {record.version} is up in namespace {namespace} of {kubectl.context}, {took_s:.0f} s")
    print(f"  entry        {entry or 'none: no address of the service answers from here, and traffic needs one'}")
    print(f"  environment  {_folder(system) / 'environment.toml'}")
    print(NEXT)
    return 0


def status(record: Record) -> int:
    """Show the pods."""
    print(f"{record.system} {record.version} in namespace {record.namespace} of {record.context}")
    if record.defects:
        print(f"planted defects: {', '.join(record.defects)}")
    print(record.kubectl.run("get", "pods", "--output=wide"), end="")
    return 0


def logs(record: Record, name: str | None, *, lines: int, follow: bool) -> int:
    """Show the ends of the logs of one pod, or of all copies of the service."""
    chosen = [name] if name else ["--selector=app=llm-config-manager", "--prefix", "--max-log-requests=20"]
    return record.kubectl.follow("logs", *chosen, f"--tail={lines}", *(["--follow"] if follow else []))


def registered(record: Record) -> int:
    """Print the record of the lab that is up; one that still comes or already goes does not count."""
    environment = _folder(record.system) / "environment.toml"
    if not environment.is_file():
        return NONE_IS_UP
    print(json.dumps({**asdict(record), "environment": str(environment)}))
    return 0


def down(record: Record) -> int:
    """Delete what `up` made and wait until it is gone."""
    kubectl, progress = record.kubectl, Progress("down")
    made = kubectl.run("get", "namespace", f"--selector={_MANAGED}", "--output=name").split()
    if f"namespace/{record.namespace}" in made:
        kubectl.run("delete", "namespace", record.namespace, "--wait=false")
    name = files.cluster_wide(record.namespace)
    for kind in ("clusterrolebinding", "clusterrole"):
        kubectl.run("delete", kind, name, "--ignore-not-found")
    end = time.monotonic() + GONE_S
    while kubectl.run("get", "namespace", record.namespace, "--ignore-not-found"):
        pods = kubectl.run("get", "pods", "--output=name", "--ignore-not-found").split()
        progress.on(f"the end of {len(pods)} pods and of namespace {record.namespace}")
        progress.tick()
        if time.monotonic() > end:
            raise LabError(f"namespace {record.namespace} is still there after {GONE_S:g} s")
        time.sleep(_LOOK_S)
    progress.done()
    shutil.rmtree(_folder(record.system), ignore_errors=True)
    print(f"removed namespace {record.namespace} of {record.context} and {name}")
    return 0


def _bring_up(record: Record) -> str | None:
    """Bring everything up; return the address where users come in, None when none can be reached from here."""
    folder, kubectl = _folder(record.system), record.kubectl
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    write_private(folder / "record.json", json.dumps(asdict(record)))
    try:
        overlay = files.write_manifests(folder, record.namespace, version=record.version, defects=record.defects)
        kubectl.run("apply", "--kustomize", str(overlay), timeout_s=60)
        waiting.until_ready(kubectl)
        waiting.until_scraped(kubectl)
        for account in ("gate", "drill"):
            files.write_account(folder / f"{account}.kubeconfig", kubectl, f"drillbook-{account}")
        entry = address.find(kubectl)
        files.write_environment(
            folder, system=record.system, version=record.version, namespace=record.namespace, entry=entry
        )
    except BaseException:
        down(record)  # nothing half made is left
        raise
    return entry


def _folder(system: str) -> Path:
    return registry.state_folder() / "lab" / "kubernetes" / system


def _record(system: str) -> Record | None:
    path = _folder(system) / "record.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        return Record(**{**found, "defects": tuple(found["defects"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
