"""One JSON object per line on standard output."""

import json
import logging
import sys
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from .model import rfc3339

log = logging.getLogger("llm-config-manager")

STARTUP_LINES = (
    "Starting LLM Config API server on {host}:{port}",
    "Storage initialized successfully",
    "Cache layer connected",
    "Security middleware enabled",
    "Server is ready to accept connections",
)
SHUTDOWN_LINES = (
    "Received shutdown signal",
    "Draining active connections",
    "Closing database connections",
    "Flushing cache",
    "Shutdown complete",
)


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; `extra={"fields": {...}}` adds to it."""

    def __init__(self, instance: str, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._instance = instance
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, without any known secret."""
        line: dict[str, object] = {
            "timestamp": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "message": record.getMessage(),
            "instance": self._instance,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str)
        for secret in self._secrets:
            text = text.replace(json.dumps(secret)[1:-1], "***")
        return text


def configure(instance: str, secrets: tuple[str, ...] = ()) -> None:
    """Send all logging of the process, libraries included, to standard output as JSON lines.

    Args:
        instance: The name that every line carries.
        secrets: Texts that are masked wherever they turn up.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(instance, secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for noisy in ("psycopg.pool", "psycopg"):  # each retry is a warning there; outages are logged by us, once
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def secrets_of(*urls: str) -> tuple[str, ...]:
    """Return the texts that must not be logged: the URLs that carry a password, and their passwords."""
    passwords = {url: urlsplit(url).password for url in urls}
    quoted = [password for password in passwords.values() if password]
    return (*(url for url in urls if passwords[url]), *quoted, *map(unquote, quoted))


class Outage:
    """Logs the beginning and the end of an outage, each once."""

    def __init__(self, level: int, lost: str, back: str) -> None:
        self._level, self._lost, self._back = level, lost, back
        self.active = False

    def begin(self, reason: str) -> bool:
        """Note a failure; returns whether it is the first of this outage."""
        if self.active:
            return False
        self.active = True
        log.log(self._level, self._lost, extra={"fields": {"reason": reason}})
        return True

    def end(self) -> None:
        """Note a success."""
        if self.active:
            self.active = False
            log.info(self._back)
