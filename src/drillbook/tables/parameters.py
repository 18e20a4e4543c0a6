"""Addresses with parameters, checked before anything is asked: our mistake is not the server's fault.

Nothing of an address is ever shown but the names of its parameters and plain words beside the ones that take few: a
password with an unescaped ``@`` or ``/`` may stand anywhere in it, and the parsers' own errors quote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from .. import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_WORD = re.compile(r"[A-Za-z0-9_-]{1,30}")


def other_scheme(address: str, schemes: tuple[str, ...]) -> str | None:
    """Return what is wrong with an address' scheme; None when it is one of these."""
    scheme = address.partition("://")[0]
    if scheme in schemes:
        return None
    return f"expected an address that begins with {' or '.join(f'{one}://' for one in schemes)}, found {scheme}://"


def unknown_parameter(
    address: str, known: Callable[[], Collection[str]], words: Mapping[str, tuple[str, ...]]
) -> str | None:
    """Return what is wrong with an address' parameters.

    Args:
        address: with its scheme.
        known: returns the parameters that its client takes; asked when there are any.
        words: the values that a parameter may have, for those that take few.
    """
    query = addresses.parse(address).query
    if not query:
        return None
    given = parse_qsl(query, keep_blank_values=True)
    names = known()
    for name, _ in given:
        if name not in names:
            shown = name if _WORD.fullmatch(name) and "@" not in query else "another"
            return f"expected parameters that the client knows, found {shown}; leave out what is for other clients"
    return other_word(given, words)


def other_word(given: list[tuple[str, str]], words: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return what is wrong with the value of a parameter that takes few words."""
    for name, value in given:
        allowed = words.get(name)
        if allowed is not None and value not in allowed:
            shown = value if _WORD.fullmatch(value) else "something else"
            return f"expected {name} to be one of {', '.join(allowed)}, found {shown}"
    return None
