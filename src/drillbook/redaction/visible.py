"""Observed text as it may be shown: what is not printable is escaped, so that it can neither act nor deceive."""

from __future__ import annotations

import codecs
import re

_OUR_SIGNS = {"±": "+/-", "…": "...", "►": ">", "│": "|", "─": "-"}
"""Characters of our own lines, and what stands for them where the output cannot show them."""
_DEGRADE = "drillbook.degrade"
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def visible(text: str, *, keep: str = "") -> str:
    r"""Return the text with every character that is not printable as its escape (``\x1b``, ``\u202e``).

    Those are what Python's ``str.isprintable`` refuses: control and format characters (right-to-left marks, zero-width
    ones), half surrogate pairs, line and paragraph separators, and spaces other than the ordinary one.

    Args:
        text: what was observed.
        keep: characters that stay as they are, such as the line breaks of a traceback.
    """
    if text.isprintable():
        return text
    return _SUSPECT.sub(lambda found: found[0] if _may_stand(found[0], keep) else _escaped(found[0]), text)


def plain_output(*streams: object) -> None:
    """Let these text streams degrade what their encoding cannot show, where they can be told to."""
    codecs.register_error(_DEGRADE, _degraded)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_DEGRADE)


def _may_stand(sign: str, keep: str) -> bool:
    return sign in keep or sign.isprintable()


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]


def _degraded(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_OUR_SIGNS.get(sign) or _escaped(sign) for sign in signs), error.end
