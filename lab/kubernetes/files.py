"""What `up` writes for the lab: secrets, manifests with them, accounts, and the environment file of the gate."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import toml_file
from ..config_manager.processes import new_encryption_key
from ..directory import write_private

if TYPE_CHECKING:
    from .kubectl import Kubectl

MANIFESTS = Path(__file__).parent / "manifests"
SECRET = "llm-config-manager-secrets"  # noqa: S105 - the name of an object
_USER = "llm_config"
_WORKLOADS = {
    "api": "deployments/llm-config-manager",
    "postgres": "statefulsets/postgres",
    "redis": "statefulsets/redis",
    "prometheus": "deployments/prometheus",
}


def write_manifests(folder: Path, namespace: str, *, version: str, defects: tuple[str, ...]) -> Path:
    """Copy the manifests and lay an overlay over them: namespace, Secret, version, defects. Return what to apply."""
    base, overlay = folder / "manifests", folder / "overlay"
    shutil.copytree(MANIFESTS, base)
    for name in ("kustomization.yaml", "rights.yaml"):
        text = (base / name).read_text("utf-8").replace("namespace: llm-config", f"namespace: {namespace}")
        (base / name).write_text(text.replace("drillbook-nodes", cluster_wide(namespace)), "utf-8")
    overlay.mkdir(mode=0o700)
    password, cache_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    values = {
        "postgres-password": password,
        "redis-password": cache_password,
        "database-url": f"postgresql://{_USER}:{password}@postgres:5432/{_USER}",
        "cache-url": f"redis://:{cache_password}@redis-0.redis:6379/0",
        "encryption-key": new_encryption_key(),
    }
    for name, value in values.items():
        write_private(overlay / name, value)
    changes = {"data": {"LLM_CONFIG_VERSION": version, "LLM_CONFIG_DEFECT": ",".join(defects)}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "llm-config-manager-config"}, **changes}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["../manifests"],
        "generatorOptions": {"disableNameSuffixHash": True},
        "secretGenerator": [{"name": SECRET, "files": sorted(values)}],
        "patches": [{"patch": json.dumps(config)}],
    }
    write_private(overlay / "kustomization.yaml", json.dumps(kustomization, indent=2))  # JSON is YAML
    return overlay


def cluster_wide(namespace: str) -> str:
    """Return the name of what belongs to no namespace: the right to list nodes, one for each lab."""
    return f"drillbook-nodes-{namespace}"


def write_account(path: Path, kubectl: Kubectl, account: str) -> None:
    """Write the kubeconfig of a service account, with a token for a day."""
    view = kubectl.json("config", "view", "--minify", "--flatten", "--raw")
    token = kubectl.run("create", "token", account, "--duration=24h").strip()
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": view["clusters"][0]["cluster"]}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [
            {"name": "lab", "context": {"cluster": "lab", "user": account, "namespace": kubectl.namespace}},
        ],
        "current-context": "lab",
    }
    write_private(path, json.dumps(config, indent=2))


def write_environment(folder: Path, *, system: str, version: str, namespace: str, entry: str | None) -> None:
    """Write the environment file that a gate takes; secrets stand in it as references only.

    Args:
        folder: where to.
        system: its name.
        version: what runs.
        namespace: where.
        entry: where users come in, None when no address of it can be reached from here.
    """
    overlay = folder / "overlay"
    facts = {
        "name": "lab",
        "platform": "kubernetes",
        "systems": {
            system: {
                "version": version,
                "kubernetes": {
                    "kubeconfig": folder / "gate.kubeconfig",
                    "acts_with": folder / "drill.kubeconfig",
                    "namespace": namespace,
                    "components": {name: {"workload": path} for name, path in _WORKLOADS.items()},
                },
                "mutations": {"allowed": True, "namespace": "drillbook"},
                "components": {  # where users come in; the pods are asked of the API
                    "api": {**({"url": entry} if entry else {}), "ports": {"http": 8080, "metrics": 9090}},
                    "postgres": {
                        "kind": "postgres",
                        "url": {"file": overlay / "database-url"},
                        "through": "platform",
                    },
                    "redis": {"kind": "redis", "url": {"file": overlay / "cache-url"}, "through": "platform"},
                    "prometheus": {"kind": "prometheus", "url": "http://prometheus:9090", "through": "platform"},
                },
            }
        },
        # The marker is an annotation of the namespace.
        "disruption": {"allowed": True, "at_most": {"instances": 7, "share": 1.0}},
    }
    toml_file.write_environment(folder / "environment.toml", facts)
