"""One redactor: everything that leaves the process as text or JSON goes through it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from .folding import fold, foldable
from .forms import NAMES_OF_SECRETS, encoded, parts
from .visible import visible

if TYPE_CHECKING:
    from ..model import Json, Secret

MASK = "***"
_USERINFO = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://)[^\s/@:'\"]*:[^\s/@'\"]+@", re.IGNORECASE)
_PARAMETER = re.compile(rf"(?P<before>[?&]{NAMES_OF_SECRETS}=)[^\s&#'\"]+", re.IGNORECASE)
_SHORT = 3
"""A secret of so few characters is found as a word of its own alone: anywhere else it would blot out half of a text."""
_LONG = 20
_BEGINNING = 12
"""Of a long secret so many characters give it away, where something has shortened it."""
_WORD = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*(?:-\d{1,3})?|\d{1,8}|.{1,3}", re.DOTALL)
"""What may as well be a word of our own: it is masked in observed text, and not in ours."""


class Redactor:
    """Replaces known secrets, in every form they travel in, by ``***``."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        values = {part for secret in secrets for part in parts(secret.reveal())}
        self._all = _Search(values)
        self._strong = _Search({value for value in values if not _WORD.fullmatch(value)})

    def text(self, text: str) -> str:
        """Return observed text without secrets and without passwords in addresses."""
        return _without_logins(self._all.masked(text))

    def own(self, text: str) -> str:
        """Return a text of ours, in which a secret that is an ordinary word (``postgres``) is that word and stays."""
        return visible(_without_logins(self._strong.masked(text)))

    def shown(self, text: str) -> str:
        """Return observed text as one line that may stand among ours."""
        return visible(self.text(text))

    def block(self, text: str) -> str:
        """Return observed text of several lines, such as a traceback."""
        return visible(self.text(text), keep="\n\t")

    def json(self, value: Json) -> Json:
        """Return observed JSON with every string in it redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        return value

    def reading(self, reading: Any, encoded: Json) -> Json:
        """Return a reading's JSON redacted; the names of its fields are ours, the keys of its mappings are observed."""
        if isinstance(encoded, dict) and is_dataclass(reading):
            return {key: self.reading(getattr(reading, key, None), item) for key, item in encoded.items()}
        if isinstance(encoded, dict) and isinstance(reading, Mapping) and len(reading) == len(encoded):
            pairs = zip(reading.values(), encoded.items(), strict=True)
            return {self.text(key): self.reading(one, item) for one, (key, item) in pairs}
        if isinstance(encoded, list) and isinstance(reading, list | tuple) and len(reading) == len(encoded):
            return [self.reading(one, item) for one, item in zip(reading, encoded, strict=True)]
        return self.json(encoded)


class _Search:
    """Finds these values in a text as it stands, and in the text with its escapes and line breaks undone."""

    def __init__(self, values: Iterable[str]) -> None:
        short = {re.escape(value) for value in values if len(value) <= _SHORT}
        words = [rf"(?<![^\W_]){value}(?![^\W_])" for value in short]
        long = {form for value in values if len(value) > _SHORT for form in encoded(value)}
        begun = {value[:_BEGINNING] for value in values if len(value) >= _LONG and "://" not in value}
        folded = {fold(form).text for form in long}
        self._plain = _pattern(long, begun, words)
        self._folded = _pattern({form for form in folded if len(form) > _SHORT}, set(), [])

    def masked(self, text: str) -> str:
        """Return the text with each of them masked."""
        if self._plain is not None:
            text = self._plain.sub(MASK, text)
        if self._folded is None or not foldable(text):
            return text
        found = fold(text)
        pieces: list[str] = []
        last = 0
        for match in self._folded.finditer(found.text):
            begin, end = found.original(*match.span())
            pieces += [text[last:begin], MASK]
            last = max(end, last)
        return "".join([*pieces, text[last:]])


def _pattern(forms: set[str], begun: set[str], words: list[str]) -> re.Pattern[str] | None:
    """Return one pattern for all, the longest first, so that no part of one is left behind by another."""
    whole = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
    cut = [rf"{re.escape(form)}[^\s'\"]*" for form in sorted(begun)]
    every = whole + cut + words
    return re.compile("|".join(every)) if every else None


def _without_logins(text: str) -> str:
    if "://" in text:
        text = _USERINFO.sub(rf"\g<before>{MASK}@", text)
    return _PARAMETER.sub(rf"\g<before>{MASK}", text) if "=" in text else text
