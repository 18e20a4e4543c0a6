"""The formats of journal records: which there are today, and how those of earlier formats are read.

A record carries the version of its kind. One without is of the first format, which named none.
"""

from __future__ import annotations

from typing import Any

from .. import __version__, catalogue

VERSIONS = {
    **dict.fromkeys(("run", "observation", "unsettled", "end"), 1),
    **dict.fromkeys(("round", "verdict", "not-judged", "expired-waiver"), 2),
    **dict.fromkeys(("refused", "step", "clock-step", "steady", "drill"), 1),
    **dict.fromkeys(("fault", "undo", "watchdog", "unguarded", "left-behind"), 1),
    **dict.fromkeys(("traffic", "traffic-cleanup", "left-keys"), 1),
}
"""The newest version of every kind of record."""


class Unknown(Exception):
    """A record of a kind, or of a version, that this Drillbook does not know; the text goes on from "line 7"."""


def current(kind: str, version: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return a record's data in today's format.

    Args:
        kind: the record's kind.
        version: the version of that kind by which it was written.
        row: what it says.

    Raises:
        Unknown: it was written by a newer Drillbook.
    """
    newest = VERSIONS.get(kind)
    if newest is None:
        raise Unknown(f'is a record of the kind "{kind}", which Drillbook {__version__} does not know: {_NEWER}')
    if version not in range(1, newest + 1):
        raise Unknown(
            f'is a record "{kind}" of version {version}, of which Drillbook {__version__} knows 1 to {newest}: {_NEWER}'
        )
    if kind == "verdict" and version == 1:
        return {**row, **_of_the_runbook(row["id"], row["remedy"])}
    if kind in ("not-judged", "expired-waiver") and version == 1:
        return {"system": None, **row}
    return row


_NEWER = "read the run with the version that wrote it, or a newer one"


def _of_the_runbook(statement_id: str, remedy: str | None) -> dict[str, str | None]:
    """Return what the first format left to the catalogue, as far as the catalogue still has it."""
    known = catalogue.entry(statement_id) if catalogue.knows(statement_id) else None
    advice = catalogue.entry(remedy).full_heading if remedy and catalogue.knows(remedy) else remedy
    return {
        "statement": known.statement if known else None,
        "heading": known.full_heading if known else None,
        "advice": advice,
    }
