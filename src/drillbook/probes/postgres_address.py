"""What libpq could not use in PostgreSQL's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tables.parameters import other_scheme, other_word, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_POSTGRES_WORDS: Mapping[str, tuple[str, ...]] = {
    "sslmode": _SSLMODES,
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
}
"""https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


def unusable(address: str) -> str | None:
    """Return what is wrong with PostgreSQL's address, as ``expected ..., found ...``; None when nothing is."""
    if "://" in address:
        return other_scheme(address, ("postgresql", "postgres")) or unknown_parameter(address, _libpq, _POSTGRES_WORDS)
    import psycopg  # noqa: PLC0415 - only an address in libpq's other form pays for it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - as above

    try:
        found = conninfo_to_dict(address)
    except psycopg.Error:
        return "expected postgresql://user:password@host:port/database, or key=value pairs that libpq knows"
    return other_word([(name, str(value)) for name, value in found.items()], _POSTGRES_WORDS)


def _libpq() -> Collection[str]:
    """Return the parameters that the libpq of this machine takes; ``ssl=true`` is its word for sslmode=require."""
    from psycopg import pq  # noqa: PLC0415 - only an address with parameters pays for it

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
