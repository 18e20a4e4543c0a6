"""Runs kubectl: always with a time limit, never with a secret among its arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LabError

_REQUEST_S = 10


@dataclass(frozen=True)
class Kubectl:
    """kubectl at one context and namespace.

    Attributes:
        kubeconfig: as the variable KUBECONFIG has it; empty for the user's own.
        context: which of its contexts.
        namespace: where everything is done.
    """

    kubeconfig: str
    context: str
    namespace: str

    def run(self, *arguments: str, timeout_s: float = 30.0) -> str:
        """Return what kubectl prints. Raises LabError with what it says on failure."""
        at = ["--context", self.context, "--namespace", self.namespace] if self.context else []
        try:
            done = subprocess.run(
                ["kubectl", *at, f"--request-timeout={_REQUEST_S}s", *arguments],  # noqa: S607 - the user's own kubectl
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"kubectl {arguments[0]}: no answer within {timeout_s:g} s") from None
        if done.returncode != 0:
            raise LabError(f"kubectl {arguments[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """Return what kubectl prints as JSON. Raises LabError."""
        found: dict[str, Any] = json.loads(self.run(*arguments, "--output=json"))
        return found

    def follow(self, *arguments: str) -> int:
        """Let kubectl write to our own output until it ends; return its exit status."""
        at = ["--context", self.context, "--namespace", self.namespace]
        return subprocess.run(["kubectl", *at, *arguments], env=self._environment(), check=False).returncode  # noqa: S607 - as above

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **({"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {})}


def current(namespace: str) -> Kubectl:
    """Return kubectl at the current context of the current kubeconfig. Raises LabError when there is none."""
    if shutil.which("kubectl") is None:
        raise LabError("kubectl is not on PATH: https://kubernetes.io/docs/tasks/tools/")
    given = os.environ.get("KUBECONFIG", "")
    kubeconfig = os.pathsep.join(str(Path(part).absolute()) for part in given.split(os.pathsep) if part)
    context = Kubectl(kubeconfig, "", namespace).run("config", "current-context").strip()
    return Kubectl(kubeconfig, context, namespace)
