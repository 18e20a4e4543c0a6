"""Resolves references; remembers every secret it handed out, for the redactor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .. import addresses
from ..model import Secret
from ..redaction import Redactor
from .problems import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shapes import Reference


class Resolver:
    """Turns ``{ env = ... }`` and ``{ file = ... }`` into Secrets; collects what could not be resolved."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._secrets: list[Secret] = []
        self.problems: list[str] = []

    def secret(self, value: str | Reference | None, key: str) -> str | Secret | None:
        """Return a literal as it is and a reference as a Secret; None (and a problem noted) when it fails."""
        if value is None or isinstance(value, str):
            return value
        found = self._look_up(value, key)
        if found is None:
            return None
        name = f"env:{value.env}" if value.env is not None else f"file:{value.file}"
        secret = Secret(found, name)
        self._secrets.append(secret)
        return secret

    def address(
        self, url: str | Reference | None, key: str, unusable: Callable[[str], str | None]
    ) -> str | Secret | None:
        """Return an address as its client reads it; an unreadable one is noted, and never shown.

        Args:
            url: the address, or where it is.
            key: its key in the file.
            unusable: says what its client could not use in it.
        """
        found = self.secret(url, key)
        if found is None:
            return None
        try:
            address = addresses.database(found.reveal() if isinstance(found, Secret) else found)
        except addresses.BadAddress as error:
            self.problems.append(f"{key}: {error}")
            return None
        wrong = unusable(address)
        if wrong is not None:
            self.problems.append(f"{key}: {wrong}" + (f" ({found.reference})" if isinstance(found, Secret) else ""))
            return None
        return Secret(address, found.reference) if isinstance(found, Secret) else address

    def plain(self, value: str | Reference | None, key: str) -> str | None:
        """Resolve a reference to something that is no secret (a version)."""
        if value is None or isinstance(value, str):
            return value
        return self._look_up(value, key)

    def path(self, value: Path | Reference | None, key: str) -> Path | None:
        """Return a path as given or as a reference names it, relative to the environment file's folder."""
        if value is None or isinstance(value, Path):
            return value and self.base / value.expanduser()
        if value.file is not None and value.env is None:
            return self.base / value.file.expanduser()
        found = self._look_up(value, key)
        return None if found is None else Path(found)

    def hide(self, value: str, reference: str) -> None:
        """Have the redactor know a text that was made from a secret, or came with the process's variables."""
        self._secrets.append(Secret(value, reference))

    def redactor(self) -> Redactor:
        """Return the redactor for all secrets resolved so far."""
        return Redactor(self._secrets)

    def _look_up(self, reference: Reference, key: str) -> str | None:
        if (reference.env is None) == (reference.file is None):
            self.problems.append(f'{key}: expected {{ env = "NAME" }} or {{ file = "path" }}, exactly one of them')
            return None
        if reference.env is not None:
            return self._variable(reference.env, key)
        assert reference.file is not None
        path = self.base / reference.file.expanduser()
        try:
            text = path.read_text("utf-8").strip()  # editors and mounted secrets end a file with a line break
        except OSError as error:
            self.problems.append(f"{key}: cannot read {path}: {error.strerror}")
        except UnicodeDecodeError:
            self.problems.append(f"{key}: {path} is not UTF-8 text")
        else:
            if text:
                return text
            self.problems.append(f"{key}: {path} is empty")
        return None

    def _variable(self, name: str, key: str) -> str | None:
        value = os.environ.get(name)
        if not value:
            self.problems.append(f"{key}: environment variable {name} is not set{nearest(name, os.environ)}")
        elif value != value.strip("\r\n"):
            self.problems.append(
                f"{key}: expected a value without a line break at its ends, found one in the environment variable"
                f' {name}; set it by {name}="$(cat FILE)" or printf, which leave it out'
            )
        elif not value.strip():
            self.problems.append(f"{key}: expected a value, found nothing but blanks in {name}")
        else:
            return value
        return None
