"""2,000 other pods in the service's namespace: ``python benchmarks/pods.py [--pods 2000]``.

Needs the lab on Kubernetes (``drillbook lab up config-manager --on kubernetes``), kubectl with the right to make nodes,
and kwok on PATH (``go install sigs.k8s.io/kwok/cmd/kwok@v0.7.0``), which plays the nodes of pods that run nothing. Each
of two settings is measured: bare pods of other labels, and a Deployment beside the service's own.

Runs the gate through a proxy that writes down what it asks of the API, and counts: each kind may be listed once, in as
many pages as its own pods need. Exits 1 when a kind is listed more often, when a list brings others' pods along, or
when the gate is not all MET. Prints the gate's time beside its time without those pods. Takes away what it made.
"""

from __future__ import annotations

import argparse
import base64
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w
from run import ROOT, seconds

from drillbook import carried

SYSTEM = "config-manager"
NODES = 10
NODE = "drillbook-fake"
READY_S = 240
_LIST = re.compile(r"^GET /(?:api|apis/[^/]+)/v1(?:/namespaces/[^/ ?]+)?/(?P<kind>[a-z]+)(?:\?(?P<query>\S*))? ")

PROXY = """
import asyncio, ssl, sys
host, port, authority, log = sys.argv[1], int(sys.argv[2]), sys.argv[3], open(sys.argv[4], "a", buffering=1)
tls = ssl.create_default_context(cafile=authority)

async def back(far, to_near):
    while part := await far.read(65536):
        to_near.write(part)
        await to_near.drain()
    to_near.close()

async def serve(near, to_near):
    far, to_far = await asyncio.open_connection(host, port, ssl=tls)
    answers = asyncio.create_task(back(far, to_near))
    try:
        while True:
            head = await near.readuntil(b"\\r\\n\\r\\n")
            log.write(head.split(b"\\r\\n")[0].decode() + "\\n")
            to_far.write(head)
            if b"upgrade: websocket" in head.lower():
                while part := await near.read(65536):
                    to_far.write(part)
    except (asyncio.IncompleteReadError, ConnectionError):
        to_far.close()
    await answers

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(900)

asyncio.run(main())
"""


class Lab:
    """The lab that is up."""

    def __init__(self) -> None:
        arguments, environment = carried.lab_command("registered", SYSTEM, "--on", "kubernetes")
        found = subprocess.run(arguments, env=environment, cwd="/", capture_output=True, text=True, check=False)
        if found.returncode:
            raise SystemExit(f"not measured, no lab is up; drillbook lab up {SYSTEM} --on kubernetes")
        self.record: dict[str, Any] = json.loads(found.stdout)
        self.environment = Path(self.record["environment"])
        self.namespace = str(self.record["namespace"])
        config = self.record["kubeconfig"]
        self.variables = {**os.environ, **({"KUBECONFIG": config} if config else {})}

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl where the lab is."""
        command = ["kubectl", "--context", self.record["context"], "--namespace", self.namespace, *words]
        done = subprocess.run(
            command, input=stdin, env=self.variables, capture_output=True, text=True, check=False, timeout=READY_S
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command[:8])}: {done.stderr.strip()[-400:]}")
        return done.stdout


@contextmanager
def fake_nodes(lab: Lab) -> Iterator[None]:
    """Play some nodes that nothing else is put on; they and their player end with the block."""
    kwok = shutil.which("kwok")
    if kwok is None:
        raise SystemExit("kwok is not on PATH: go install sigs.k8s.io/kwok/cmd/kwok@v0.7.0")
    annotation = "kwok.x-k8s.io/node=fake"
    words = [kwok, "--manage-all-nodes=false", f"--manage-nodes-with-annotation-selector={annotation}"]
    words += ["--node-ip", "10.244.1.1", "--cidr", "10.245.0.0/16", "--server-address", "127.0.0.1:0"]
    words += ["--node-lease-duration-seconds", "40"]
    player = subprocess.Popen(
        words, env=lab.variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    names = [f"{NODE}-{number}" for number in range(NODES)]
    try:
        lab.kubectl(
            "apply",
            "--filename=-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(map(_node, names))}),
        )
        lab.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "node", *names)
        yield
    finally:
        lab.kubectl("delete", "node", *names, "--ignore-not-found", "--wait=false")
        player.terminate()
        player.wait(20)


def _node(name: str) -> dict[str, Any]:
    about = {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"type": "kwok"}}
    room = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": about,
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }


def _pod(labels: dict[str, str], node: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "containers": [{"name": "none", "image": "none:1"}],
    }
    where = {"nodeName": node} if node else {"nodeSelector": {"type": "kwok"}}
    return {"metadata": {"labels": labels}, "spec": {**spec, **where}}


@contextmanager
def bare_pods(lab: Lab, count: int) -> Iterator[None]:
    """Make pods that belong to nobody, and remove them."""
    found = [_pod({"app": "batch"}, f"{NODE}-{number % NODES}") for number in range(count)]
    for number, pod in enumerate(found):
        pod.update(apiVersion="v1", kind="Pod")
        pod["metadata"]["name"] = f"fake-{number}"
    try:
        lab.kubectl("create", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))
        _wait_for(lab, "batch", count)
        yield
    finally:
        lab.kubectl("delete", "pods", "--selector=app=batch", "--grace-period=0", "--force", "--wait=false")
        _wait_for(lab, "batch", 0)


@contextmanager
def deployed_pods(lab: Lab, count: int) -> Iterator[None]:
    """Make a Deployment of so many pods, and remove it."""
    labels = {"app": "worker"}
    spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": _pod(labels)}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "worker"}, "spec": spec}
    try:
        lab.kubectl("create", "--filename=-", stdin=json.dumps(deployment))
        _wait_for(lab, "worker", count)
        yield
    finally:
        lab.kubectl("delete", "deployment", "worker", "--ignore-not-found", "--wait=false")
        _wait_for(lab, "worker", 0)


def _wait_for(lab: Lab, app: str, count: int) -> None:
    """Wait until so many pods of an app run."""
    end = time.monotonic() + READY_S
    phases = "--output=jsonpath={range .items[*]}{.status.phase}{' '}{end}"
    while (found := lab.kubectl("get", "pods", f"--selector=app={app}", phases).split()).count("Running") != count or (
        len(found) != count
    ):
        if time.monotonic() > end:
            raise SystemExit(f"{len(found)} pods of {app} after {READY_S} s, {found.count('Running')} Running")
        time.sleep(1)


@contextmanager
def counted(lab: Lab, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Put a proxy before the API; give the environment file that leads there, and where it writes what is asked."""
    facts = tomllib.loads(lab.environment.read_text("utf-8"))
    config = json.loads(Path(facts["systems"]["config-manager"]["kubernetes"]["kubeconfig"]).read_text("utf-8"))
    place = config["clusters"][0]["cluster"]
    authority, log = folder / "ca.pem", folder / "asked.txt"
    authority.write_bytes(base64.b64decode(place["certificate-authority-data"]))
    host, _, port = place["server"].removeprefix("https://").partition(":")
    command = [sys.executable, "-c", PROXY, host, port or "443", str(authority), str(log)]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert proxy.stdout is not None
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{int(proxy.stdout.readline())}"}
        (folder / "kubeconfig").touch(mode=0o600)
        (folder / "kubeconfig").write_text(json.dumps(config), "utf-8")
        environment = folder / "counted.toml"
        facts["systems"]["config-manager"]["kubernetes"]["kubeconfig"] = str(folder / "kubeconfig")
        environment.write_text(tomli_w.dumps(facts), "utf-8")
        yield environment, log
    finally:
        proxy.kill()
        proxy.wait()


def gate(environment: Path, folder: Path) -> float:
    """Judge; return the seconds that it took. Exits when something is not MET."""
    words = ["-q", "-p", "no:cacheprovider", "-m", "smoke", f"--env={environment}", f"--reports={folder / 'reports'}"]
    return seconds([sys.executable, "-m", "pytest", *words], ROOT)


def lists(log: Path) -> collections.Counter[str]:
    """Return how often each kind was listed from its first page; pages that continue a list belong to it."""
    found = [match for line in log.read_text("utf-8").splitlines() if (match := _LIST.match(line))]
    return collections.Counter(match["kind"] for match in found if "continue=" not in (match["query"] or ""))


def pages(log: Path) -> int:
    """Return in how many pages pods came."""
    return sum("/pods?" in line for line in log.read_text("utf-8").splitlines())


def main() -> None:
    """Measure both settings and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--runs", type=int, default=5, help="gates of each setting (5)")
    given = parser.parse_args()
    lab = Lab()
    wrong = []
    with tempfile.TemporaryDirectory() as name, fake_nodes(lab):
        folder = Path(name)
        alone = [gate(lab.environment, folder) for _ in range(given.runs + 1)][1:]
        for what, crowd in (("bare pods", bare_pods), ("pods of a Deployment", deployed_pods)):
            with crowd(lab, given.pods):
                took = [gate(lab.environment, folder) for _ in range(given.runs)]
                with counted(lab, folder) as (environment, log):
                    log.write_text("")
                    gate(environment, folder)
                    found, paged = lists(log), pages(log)
            print(
                f"{given.pods} {what} beside the service: the gate {statistics.median(took):.2f} s, without them"
                f" {statistics.median(alone):.2f} s; lists: {dict(found)}, pods in {paged} pages"
                "  (target one list a kind)"
            )
            wrong += [f"{kind} listed {count} times" for kind, count in found.items() if count > 1]
            wrong += ["no list of pods was seen"] if not found["pods"] else []
            wrong += [f"{paged} pages: others' pods came along"] if paged > 1 else []
    if wrong:
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
