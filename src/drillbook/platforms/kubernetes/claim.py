"""The claim as a ConfigMap of the namespace; the API server lets one alone write over what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..capabilities import PlatformRefused
from ..claims import Changed, Kept

if TYPE_CHECKING:
    from .api import Answer, Api, Object

NAME = "drillbook-claim"
_KEY = "claim.json"
_CONFLICT = 409
_HINT = f"give this account get, update and delete on configmap {NAME}, and create on configmaps, in the namespace"


class NamespaceClaim:
    """The claim of one namespace.

    Args:
        api: the account that may break things there.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"ConfigMap {NAME} in namespace {self._api.cluster.namespace}"

    def clock_s(self) -> float:
        """Return the API server's clock, in seconds since 1970. Raises CannotObserve."""
        return self._api.clock_s()

    def read_claim(self) -> Kept | None:
        """Return the claim, None when there is none. Raises CannotObserve."""
        found = self._api.get(self._api.path("configmaps", NAME))
        if found is None:
            return None
        return Kept(str((found.get("data") or {}).get(_KEY, "")), str(found["metadata"]["resourceVersion"]))

    def write_claim(self, text: str, *, over: Kept | None) -> None:
        """Write it over the one that was read, or where none was. Raises Changed, PlatformRefused, CannotObserve."""
        metadata: Object = {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "drillbook"}}
        if over is not None:
            metadata["resourceVersion"] = over.version
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: text}}
        if over is None:
            self._check(self._api.send("POST", self._api.path("configmaps"), body))
        else:
            self._check(self._api.send("PUT", self._api.path("configmaps", NAME), body))

    def remove_claim(self, *, over: Kept) -> None:
        """Remove the one that was read; one that is gone is fine. Raises Changed, PlatformRefused, CannotObserve."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"resourceVersion": over.version}}
        answer = self._api.send("DELETE", self._api.path("configmaps", NAME), options)
        if not answer.absent:
            self._check(answer)

    def _check(self, answer: Answer) -> None:
        if answer.status == _CONFLICT or answer.absent:
            raise Changed(self.place)
        if not answer.ok:
            raise PlatformRefused(f"{self.place}: {answer.status}", hint=_HINT)
