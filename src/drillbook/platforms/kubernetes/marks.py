"""The mark of a namespace: an annotation that its owner writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model import CannotObserve

if TYPE_CHECKING:
    from .api import Api

MARKER = "drillbook.dev/disruptible"


class NamespaceMarks:
    """The names in a namespace's annotation.

    Args:
        api: the account that looks, in that namespace.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def marker(self) -> str:
        """Where the mark is, in words."""
        return f"the annotation {MARKER} of namespace {self._api.cluster.namespace}"

    def marks(self) -> frozenset[str]:
        """Return the names in that annotation, parted by commas or spaces. Raises CannotObserve."""
        name = self._api.cluster.namespace
        namespace = self._api.get(f"/api/v1/namespaces/{name}")
        if namespace is None:
            raise CannotObserve(f"there is no namespace {name}", hint="check namespace under [kubernetes]")
        annotations = namespace["metadata"].get("annotations") or {}
        return frozenset(str(annotations.get(MARKER, "")).replace(",", " ").split())
