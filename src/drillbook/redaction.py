"""One redactor: everything that leaves the process as text or JSON goes through it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Json, Secret

MASK = "***"
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s/@:'\"]*:[^\s/@'\"]+@", re.IGNORECASE)
_SHORTEST = 4
"""A shorter secret would blot out ordinary words; it is refused when it is resolved."""


class Redactor:
    """Replaces known secrets, in every form they travel in, by ``***``."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms |= _forms(secret.reveal())
        longest_first = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return the text without secrets and without passwords in addresses."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _USERINFO.sub(rf"\g<scheme>{MASK}@", text) if "://" in text else text

    def json(self, value: Json) -> Json:
        """Return the value with every string in it redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        return value


def too_short(value: str) -> bool:
    """Say whether a secret is too short to be told from ordinary text."""
    return len(value) < _SHORTEST


def _forms(value: str) -> set[str]:
    """Return the value as it may appear: plain, quoted in an address, in base64, its password alone."""
    forms = {value, quote(value, safe=""), quote_plus(value), _in_base64(value), _in_base64(f":{value}")}
    if "://" in value:
        password = urlsplit(value).password
        if password:
            forms |= {password, quote(password, safe="")}
    return forms


def _in_base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode().rstrip("=")
