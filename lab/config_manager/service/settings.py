"""Settings from environment variables."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr

from .defects import Defect

PREFIX = "LLM_CONFIG_"
KEY_BYTES = 32


class SettingsError(Exception):
    """Some variables are missing or wrong.

    Attributes:
        problems: One sentence per variable: its name, what was expected, what was found. Never a secret.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """What the service needs to know, checked."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    metrics_host: str
    metrics_port: int
    database_url: SecretStr
    cache_url: SecretStr
    encryption_key: SecretBytes
    instance: str
    version: str
    drain_timeout_s: float
    readiness_delay_s: float
    startup_timeout_s: float
    pool_max: int
    cache_ttl_s: int
    defects: frozenset[Defect]


class _Reader:
    """Reads variables one by one and remembers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        """Return the variable's text, or the default when it is absent or empty."""
        return self._environ.get(PREFIX + name) or default

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number within the bounds, or the default."""
        found = self.text(name, str(default))
        try:
            value = float(found)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            self._wrong(name, f"a number from {least:g} to {most:g}", repr(found))
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within the bounds, or the default."""
        found = self.text(name, str(default))
        if not re.fullmatch(r"\d{1,9}", found) or not least <= int(found) <= most:
            self._wrong(name, f"a whole number from {least} to {most}", repr(found))
            return default
        return int(found)

    def url(self, name: str, schemes: tuple[str, ...]) -> SecretStr:
        """Return a secret URL of one of these schemes, from the variable or the file it names."""
        found = self._secret(name)
        expected = f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        if found is not None and not found.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            self._wrong(name, expected, _described(found))
        elif found is None:
            self._missing(name, expected)
        return SecretStr(found or "")

    def key(self, name: str) -> SecretBytes:
        """Return a secret key of 32 bytes, given in base64."""
        expected = f"{KEY_BYTES} bytes in base64"
        found = self._secret(name)
        if found is None:
            self._missing(name, expected)
            return SecretBytes(b"")
        try:
            key = base64.b64decode(found, validate=True)
        except (binascii.Error, ValueError):
            self._wrong(name, expected, f"{len(found)} characters that are not base64")
            return SecretBytes(b"")
        if len(key) != KEY_BYTES:
            self._wrong(name, expected, f"{len(key)} bytes")
        return SecretBytes(key)

    def defects(self, name: str) -> frozenset[Defect]:
        """Return the named defects of a comma separated list."""
        names = [part.strip() for part in self.text(name, "").split(",") if part.strip()]
        known = {defect.value: defect for defect in Defect}
        for unknown in sorted(set(names) - set(known)):
            self._wrong(name, f"names out of {', '.join(known)}", repr(unknown))
        return frozenset(known[found] for found in names if found in known)

    def _secret(self, name: str) -> str | None:
        direct, path = self.text(name, ""), self.text(f"{name}_FILE", "")
        if direct and path:
            self._wrong(name, f"either it or {PREFIX}{name}_FILE", "both")
        if not path:
            return direct or None
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            self._wrong(f"{name}_FILE", "a readable text file", type(error).__name__)
            return ""

    def _missing(self, name: str, expected: str) -> None:
        self._wrong(name, f"{expected}, here or in the file that {PREFIX}{name}_FILE names", "nothing")

    def _wrong(self, name: str, expected: str, found: str) -> None:
        if not any(problem.startswith(f"{PREFIX}{name.removesuffix('_FILE')}") for problem in self.problems):
            self.problems.append(f"{PREFIX}{name}: expected {expected}, found {found}")


def _described(secret: str) -> str:
    scheme = re.match(r"[a-z][a-z0-9+.-]{0,20}://", secret)
    return f"one that begins with {scheme.group()}" if scheme else f"{len(secret)} characters, no scheme"


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environ: The environment variables.

    Returns:
        The checked settings.

    Raises:
        SettingsError: Names every variable that is missing or wrong.
    """
    read = _Reader(environ)
    host = read.text("HOST", "127.0.0.1")
    port = read.whole("PORT", 8080, least=1, most=65535)
    fields: dict[str, Callable[[], object]] = {
        "metrics_host": lambda: read.text("METRICS_HOST", host),
        "metrics_port": lambda: read.whole("METRICS_PORT", 9090, least=1, most=65535),
        "database_url": lambda: read.url("DATABASE_URL", ("postgresql", "postgres")),
        "cache_url": lambda: read.url("CACHE_URL", ("redis", "rediss")),
        "encryption_key": lambda: read.key("ENCRYPTION_KEY"),
        "instance": lambda: read.text("INSTANCE", f"{host}:{port}"),
        "version": lambda: read.text("VERSION", "1.0.0"),
        "drain_timeout_s": lambda: read.number("DRAIN_TIMEOUT_S", 10, least=0, most=3600),
        "readiness_delay_s": lambda: read.number("READINESS_DELAY_S", 0.2, least=0, most=600),
        "startup_timeout_s": lambda: read.number("STARTUP_TIMEOUT_S", 30, least=0, most=3600),
        "pool_max": lambda: read.whole("POOL_MAX", 10, least=1, most=1000),
        "cache_ttl_s": lambda: read.whole("CACHE_TTL_S", 300, least=1, most=86400),
        "defects": lambda: read.defects("DEFECT"),
    }
    values = {name: field() for name, field in fields.items()}
    if read.problems:
        raise SettingsError(read.problems)
    return Settings.model_validate({"host": host, "port": port, **values})
