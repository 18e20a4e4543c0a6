"""Which cluster and namespaces a system is in, and what of them is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ...tables import Reference, Strict
from ..border import BadPlace, Border, files_in, maybe_text, named_files, text

if TYPE_CHECKING:
    from ...model import Json
    from ...tables import Resolver
    from ..border import Data

_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_WORKLOAD = rf"^(deployments|statefulsets|daemonsets)/{_NAME}(\.{_NAME})*$"
Namespace = Annotated[str, Field(pattern=rf"^{_NAME}$")]


class ComponentTable(Strict):
    """What of the cluster is one component."""

    workload: str | None = Field(default=None, pattern=_WORKLOAD)
    """Its controller: its pods are those that this one selects."""
    pods: str | None = Field(default=None, min_length=1)
    """A label selector instead, where an operator holds the pods: what a workload can do is missing then."""
    namespace: Namespace | None = None
    """None for the system's."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.workload is None) == (self.pods is None):
            raise ValueError('expected workload = "deployments/NAME" or pods = "LABEL=VALUE", exactly one of them')
        return self


class KubernetesTable(Strict):
    """Where the pods are, with whose rights they are seen, and how they are reached."""

    kubeconfig: Path | Reference | None = None
    acts_with: Path | Reference | None = None
    context: str | None = None
    namespace: Namespace
    components: dict[str, ComponentTable] = Field(default_factory=dict)
    reach: Literal["port-forward", "address"] = "port-forward"


@dataclass(frozen=True, slots=True)
class Workload:
    """What of a cluster is one component."""

    namespace: str
    path: str | None = None
    """Its controller, ``deployments/NAME``; None where the pods are found by their labels alone."""
    selector: str = ""
    """The labels of its pods, where no controller is named."""

    @property
    def kind(self) -> str:
        """``deployments``, ``statefulsets`` or ``daemonsets``; empty without a controller."""
        return (self.path or "").partition("/")[0]

    @property
    def name(self) -> str:
        """The controller's name; empty without one."""
        return (self.path or "").partition("/")[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A namespace of a Kubernetes cluster, and what of it is ours."""

    namespace: str
    kubeconfig: Path | None = None
    """None means what kubectl would take."""
    acts_with: Path | None = None
    """The kubeconfig of the account that may break things; None means that the one which looks may."""
    context: str | None = None
    server: str | None = None
    """The API server that it must be; None for the one that kubeconfig and context name."""
    components: Mapping[str, Workload] = field(default_factory=dict)
    reach: Literal["port-forward", "address"] = "port-forward"

    def namespace_of(self, component: str | None) -> str:
        """Return the namespace of a component; the system's own for None and for what is not named."""
        found = None if component is None else self.components.get(component)
        return self.namespace if found is None else found.namespace

    def pinned(self, _instances: tuple[str, ...] = ()) -> dict[str, Json]:
        """Return the API server, the namespaces and the workloads. Raises CannotObserve."""
        from .api import api_of  # noqa: PLC0415 - half a second that only the way back pays

        files = {"kubeconfig": self.kubeconfig, "acts_with": self.acts_with}
        context: dict[str, Json] = {} if self.context is None else {"context": self.context}
        components: dict[str, Json] = {
            name: {"namespace": one.namespace, **({"workload": one.path} if one.path else {"pods": one.selector})}
            for name, one in self.components.items()
        }
        where: dict[str, Json] = {"server": api_of(self).server, "namespace": self.namespace, **context}
        return {**where, "components": components, **named_files(files)}

    def acting(self, server: str) -> Cluster:
        """Return the same with the account that may break things; it must be at this API server."""
        return self if self.acts_with is None else replace(self, kubeconfig=self.acts_with, server=server)


def _settings(table: KubernetesTable, resolver: Resolver, key: str) -> Cluster:
    return Cluster(
        namespace=table.namespace,
        kubeconfig=resolver.path(table.kubeconfig, f"{key}.kubeconfig"),
        acts_with=resolver.path(table.acts_with, f"{key}.acts_with"),
        context=table.context,
        components={
            name: Workload(one.namespace or table.namespace, one.workload, one.pods or "")
            for name, one in table.components.items()
        },
        reach=table.reach,
    )


def _read(data: Data) -> Cluster:
    files = files_in(data, "kubeconfig", "acts_with")
    components = data.get("components")
    if not isinstance(components, dict):
        raise BadPlace(f"expected components to be a table, got {components!r}")
    return Cluster(
        text(data, "namespace"),
        kubeconfig=files.get("kubeconfig"),
        acts_with=files.get("acts_with"),
        context=maybe_text(data, "context"),
        server=text(data, "server"),
        components={name: _workload(name, found) for name, found in components.items()},
    )


def _workload(name: str, found: Json) -> Workload:
    if isinstance(found, str):
        raise BadPlace(f"it is of a version before, which found {name} by its label {found}: undo it with that one")
    if not isinstance(found, dict):
        raise BadPlace(f"expected components.{name} to be a table, got {found!r}")
    path = maybe_text(found, "workload")
    if path is not None and re.match(_WORKLOAD, path) is None:
        raise BadPlace(f"expected components.{name}.workload to be like deployments/NAME, got {path!r}")
    return Workload(text(found, "namespace"), path, "" if path else text(found, "pods"))


def _twice(table: KubernetesTable, key: str) -> list[tuple[str, str]]:
    return [
        (f"{key}.components.{name}", f"{one.workload or _plain(one.pods or '')} in {one.namespace or table.namespace}")
        for name, one in table.components.items()
    ]


def _plain(selector: str) -> str:
    return "".join(selector.split()).replace("==", "=")


BORDER = Border(KubernetesTable, _settings, _read, _twice)
