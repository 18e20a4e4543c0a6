"""PostgreSQL through its own protocol: does it accept connections, and who else is connected."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ..kinds import Kind
from ..model import CannotObserve, Target
from ..tables import DatabaseTable
from .postgres_address import unusable
from .reach import AddressedProbe, address_of, reached, shown_address_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

KIND = Kind("postgres", DatabaseTable, unusable, port=5432, stands_for="the database")
OWN_NAME = "drillbook"
"""The application_name of our own sessions; never counted as the application's."""

_ANSWERS_S = 9.0
"""For three statements; the server ends one after 3 s, unless it is frozen."""
_BACKENDS = """
    SELECT application_name, count(*)
      FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND usename = current_user
     GROUP BY application_name
"""


_ABOUT_US = (
    *("authentication failed", "does not exist", "no pg_hba.conf"),
    *("client certificate", "certificate file", "private key", " alert "),
    *("connection is bad: invalid ", "for connection option", "invalid value for parameter"),  # PGSSLMODE and the like
)
"""Words of libpq and the server about our login or our files; a certificate that fails to verify is not among them."""


_SILENT = f"it lets the role in and does not answer within {_ANSWERS_S:g} s"


@dataclass(frozen=True, slots=True)
class PostgresState:
    """What the server answers, or why it refuses."""

    accepting: bool
    failure: str | None = None
    backends: dict[str, int] = field(default_factory=dict)
    """Client backends of this database and this role by application_name, without the probing session."""
    max_connections: int = 0

    def application_backends(self) -> int:
        """Count the connections that are neither this probe's nor another Drillbook's."""
        return sum(count for name, count in self.backends.items() if name != OWN_NAME)


@dataclass(frozen=True)
class Postgres(AddressedProbe[PostgresState]):
    """Log in with the application's role, run a query, count the other client backends."""

    of: str = field(default="postgres", repr=False)
    """Which component."""
    reading: ClassVar[type[PostgresState]] = PostgresState
    what: ClassVar[str] = "PostgreSQL"
    timeout_s: ClassVar[float] = 6.0 + 2 * 3.0 + _ANSWERS_S + 5.0  # the way there, two addresses, the statements

    def source(self, target: Target) -> str:
        """Return ``PostgreSQL`` with the reference that its address came from."""
        return f"PostgreSQL at {shown_address_of(target, self.of)}"

    def observe(self, target: Target) -> PostgresState:
        """Connect and ask. A refused connection is a reading; a refused login is a broken eye."""
        import psycopg  # noqa: PLC0415 - a tenth of a second that only this probe pays

        address, check = reached(target.system, self.of, address_of(target, self.of))
        hint = f"check systems.{target.system.name}.components.{self.of}.url"
        silent = threading.Event()
        try:
            with (
                psycopg.connect(address, connect_timeout=3, application_name=OWN_NAME, autocommit=True) as connection,
                _hung_up_on(connection, silent),
            ):
                connection.execute("SET statement_timeout = '3s'")
                rows = connection.execute(_BACKENDS).fetchall()
                limit = connection.execute("SHOW max_connections").fetchone()
        except psycopg.ProgrammingError as error:  # the address itself is malformed, or rights are missing
            raise CannotObserve(_first_line(error), hint=hint) from None
        except psycopg.OperationalError as error:
            text = _first_line(error)
            if any(word in text for word in _ABOUT_US):
                raise CannotObserve(text, hint=hint) from None
            check()
            return PostgresState(accepting=False, failure=_SILENT if silent.is_set() else text)
        except psycopg.Error as error:
            raise CannotObserve(_first_line(error), hint=hint) from None
        return PostgresState(
            accepting=True,
            backends={str(name): int(count) for name, count in rows},
            max_connections=int(limit[0]) if limit else 0,
        )


@contextlib.contextmanager
def _hung_up_on(connection: Connection, silent: threading.Event) -> Iterator[None]:
    """Hang up on a server that lets us in and answers no more; libpq itself would wait for ever."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:

        def hang_up() -> None:
            silent.set()
            with contextlib.suppress(OSError):  # it has ended meanwhile
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(_ANSWERS_S, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
