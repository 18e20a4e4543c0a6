"""Objects as they are, and then as they change: a list, a watch from there on, and again after 410."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model import CannotObserve
from .api import Gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .api import Api, Object

_STRETCH_S = 30
"""How long one watch lasts before the next goes on from where it ended."""
_SLACK_S = 3.0
_GONE = 410


@dataclass(frozen=True, slots=True)
class Listed:
    """All that is there now: what was there before and is not among these is gone."""

    items: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object has changed, or come, or is gone; this is how it was last."""

    item: Object
    gone: bool


def watch(api: Api, path: str, *, limit_s: float, since: str | None = None, **query: Any) -> Iterator[Listed | Changed]:
    """Yield a list, then every change, for so long; a new list whenever the API does not remember that far back.

    Args:
        api: the account, which needs list and watch.
        path: of the list.
        limit_s: when it ends, without an error.
        since: a resource version to go on from, instead of a list.
        query: selectors.

    Raises:
        CannotObserve: it cannot be read.
    """
    end, version = time.monotonic() + limit_s, since
    while time.monotonic() < end:
        if version is None:
            listed = api.get(path, **query)
            if listed is None:
                raise CannotObserve(f"GET {path}: 404, the API serves no such list", hint="look at the API server")
            version = str(listed["metadata"]["resourceVersion"])
            yield Listed(tuple(listed.get("items") or ()))
        try:
            for kind, item in _events(api, path, version, end - time.monotonic(), query):
                version = str(item["metadata"]["resourceVersion"])
                if kind != "BOOKMARK":
                    yield Changed(item, gone=kind == "DELETED")
        except Gone:
            version = None


def _events(api: Api, path: str, version: str, left_s: float, query: dict[str, Any]) -> Iterator[tuple[str, Object]]:
    """Yield the events of one watch with their kinds. Raises Gone, CannotObserve."""
    stretch_s = max(1, round(min(left_s, _STRETCH_S)))
    asked = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": stretch_s}
    for line in api.lines(path, silence_s=stretch_s + _SLACK_S, **asked, **query):
        event = json.loads(line)
        item = event["object"]
        if event["type"] != "ERROR":
            yield event["type"], item
        elif item.get("code") == _GONE:
            raise Gone(f"watch {path}: {item.get('message')}", hint="list again")
        else:
            raise CannotObserve(f"watch {path}: {item.get('message')}", hint="look at the API server")
