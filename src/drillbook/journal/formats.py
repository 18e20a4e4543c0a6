"""Events as lines of a journal and back; records of earlier formats are read as today's events.

A record carries the version of its kind. One without is of the first format, which named none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import __version__, catalogue
from .events import EVENTS, Event

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_NEWER = "read the run with the version that wrote it, or a newer one"


class NotARecord(Exception):
    """A line that is no event of this Drillbook; the text goes on from "line 7"."""


def plain(event: Event) -> dict[str, Any]:
    """Return what an event says as JSON, without its kind and version."""
    row = {one.name: getattr(event, one.name) for one in fields(event)}
    found: dict[str, Any] = json.loads(json.dumps(row, default=_plain))
    return found


def event_of(row: Any) -> Event:
    """Return the event that a line of a journal holds.

    Args:
        row: the line as JSON, with ``kind`` and ``version`` beside what it says.

    Raises:
        NotARecord: it is none, or one of a newer Drillbook: to pass it over could make a run look better than it was.
    """
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        raise NotARecord("is not a journal record")
    said = {name: value for name, value in row.items() if name not in ("at", "kind", "version")}
    kind, version = row["kind"], row.get("version", 1)
    event = EVENTS.get(kind)
    if event is None:
        raise NotARecord(f'is a record of the kind "{kind}", which Drillbook {__version__} does not know: {_NEWER}')
    if type(version) is not int or version not in range(1, event.version + 1):
        known = f"of which Drillbook {__version__} knows 1 to {event.version}"
        raise NotARecord(f'is a record "{kind}" of version {version}, {known}: {_NEWER}')
    for earlier in range(version, event.version):
        try:
            said = NEXT[kind, earlier](said)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            raise NotARecord(f'is no record "{kind}" of version {earlier}: {why}') from None
    return _checked(event, said)


def _checked(event: type[Event], said: dict[str, Any]) -> Event:
    """Return the event, its types those that it declares. Raises NotARecord."""
    from pydantic import ValidationError  # noqa: PLC0415 - who only writes a journal does not pay for it

    try:
        return _adapter(event.kind).validate_python(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            raise NotARecord(f'is a record "{event.kind}" with the unknown field {where}: {_NEWER}') from None
        raise NotARecord(f'is no record "{event.kind}": {where or "as a whole"}: {first["msg"]}') from None


@cache
def _adapter(kind: str) -> TypeAdapter[Event]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    return TypeAdapter(EVENTS[kind])


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


# -- earlier formats


def _with_a_hint(row: dict[str, Any]) -> dict[str, Any]:
    """Rename what the first format called a mend."""
    return {"hint" if name == "mend" else name: value for name, value in row.items()}


def _seen_with_a_hint(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "seen": _with_a_hint(row["seen"])}


def _with_what_the_runbook_says(row: dict[str, Any]) -> dict[str, Any]:
    """Add what the first format left to the catalogue, as far as the catalogue still has it."""
    row = _with_a_hint(row)
    known = catalogue.entry(row["id"]) if catalogue.knows(row["id"]) else None
    remedy = row["remedy"]
    advice = catalogue.entry(remedy).full_heading if remedy and catalogue.knows(remedy) else remedy
    said = {"statement": known.statement, "heading": known.full_heading} if known else {}
    return {**row, **said, "advice": advice}


def _without_a_system(row: dict[str, Any]) -> dict[str, Any]:
    return {"system": None, **row}


def _open_without_a_system(row: dict[str, Any]) -> dict[str, Any]:
    judged = [[*names, _with_a_hint(verdict)] for *names, verdict in row.get("judged", ())]
    return {**row, "open": [[None, one] for one in row["open"]], "judged": judged}


NEXT: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ("observation", 1): _seen_with_a_hint,
    ("verdict", 1): _with_what_the_runbook_says,
    ("not-judged", 1): _without_a_system,
    ("expired-waiver", 1): _without_a_system,
    ("steady", 1): _without_a_system,
    ("round", 1): _open_without_a_system,
}
"""What makes the next version's record of one, by kind and version."""
