"""What the account may do, asked of the API itself: one review for each right, remembered for the process."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api import Api

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one kind of object in the namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Say it as kubectl would."""
        kind = self.resource + (f".{self.group}" if self.group else "")
        part = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {kind}{part}" + (f" {self.name}" if self.name else "")


_answers: dict[tuple[str, Right], bool] = {}
_lock = threading.Lock()


def refused(api: Api, right: Right) -> str | None:
    """Return why the account may not do it, None when it may.

    Raises:
        CannotObserve: the API does not say.
    """
    key = (repr(api.cluster), right)
    with _lock:
        known = _answers.get(key)
    if known is None:
        wanted = {"namespace": api.cluster.namespace, **{name: value for name, value in asdict(right).items() if value}}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        known = bool((api.send("POST", _REVIEWS, review).json().get("status") or {}).get("allowed"))
        with _lock:
            _answers[key] = known
    return None if known else f"this account may not {right} in namespace {api.cluster.namespace}"
