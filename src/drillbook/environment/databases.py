"""The parameters of databases' addresses, checked before anything is asked: our mistake is not the server's fault.

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
_REDIS_WORDS: Mapping[str, tuple[str, ...]] = {
    "ssl_cert_reqs": ("none", "optional", "required"),
    "protocol": ("2", "3"),
}
_WORD = re.compile(r"[A-Za-z0-9_-]{1,30}")


def unusable_postgres(address: str) -> str | None:
    """Return what is wrong with PostgreSQL's address, as ``expected ..., found ...``; None when nothing is."""
    if "://" in address:
        return _other_scheme(address, ("postgresql", "postgres")) or _unknown(address, _libpq, _POSTGRES_WORDS)
    import psycopg  # noqa: PLC0415 - only an address in libpq's other form pays for it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - as above

    try:
        found = conninfo_to_dict(address)
    except psycopg.Error:
        return "expected postgresql://user:password@host:port/database, or key=value pairs that libpq knows"
    return _other_words([(name, str(value)) for name, value in found.items()], _POSTGRES_WORDS)


def unusable_redis(address: str) -> str | None:
    """Return what is wrong with Redis' address, as ``expected ..., found ...``; None when nothing is."""
    wrong = _other_scheme(address, ("redis", "rediss", "unix"))
    if wrong is None and address.startswith("redis://") and re.search(r"[?&]ssl_", address):
        return "expected rediss:// before an address with ssl_ parameters, found redis://"
    return wrong or _unknown(address, lambda: _redis_py(address), _REDIS_WORDS)


def _other_scheme(address: str, schemes: tuple[str, ...]) -> str | None:
    scheme = address.partition("://")[0]
    if scheme in schemes:
        return None
    return f"expected an address that begins with {' or '.join(f'{one}://' for one in schemes)}, found {scheme}://"


def _unknown(address: str, known: Callable[[], Collection[str]], words: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return what is wrong with an address' parameters."""
    query = addresses.parse(address).query
    if not query:
        return None
    given = parse_qsl(query, keep_blank_values=True)
    names = known()
    for name, _ in given:
        if name not in names:
            shown = name if _WORD.fullmatch(name) and "@" not in query else "another"
            return f"expected parameters that the client knows, found {shown}; leave out what is for other clients"
    return _other_words(given, words)


def _other_words(given: list[tuple[str, str]], words: Mapping[str, tuple[str, ...]]) -> str | None:
    for name, value in given:
        allowed = words.get(name)
        if allowed is not None and value not in allowed:
            shown = value if _WORD.fullmatch(value) else "something else"
            return f"expected {name} to be one of {', '.join(allowed)}, found {shown}"
    return None


def _libpq() -> Collection[str]:
    """Return the parameters that the libpq of this machine takes; ``ssl=true`` is its word for sslmode=require."""
    from psycopg import pq  # noqa: PLC0415 - only an address with parameters pays for it

    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}


def _redis_py(address: str) -> Collection[str]:
    """Return the parameters that redis-py takes in an address."""
    import inspect  # noqa: PLC0415 - only an address with parameters pays for it

    import redis  # noqa: PLC0415 - as above
    from redis.connection import URL_QUERY_ARGUMENT_PARSERS  # noqa: PLC0415 - as above

    by_scheme = {"rediss": redis.SSLConnection, "unix": redis.UnixDomainSocketConnection}
    made: type = by_scheme.get(address.partition("://")[0], redis.Connection)
    inits = [inspect.signature(vars(one)["__init__"]) for one in made.__mro__ if "__init__" in vars(one)]
    taken = {name for init in inits for name in init.parameters} - {"self", "args", "kwargs"}
    return taken | {name for name in URL_QUERY_ARGUMENT_PARSERS if not name.startswith("ssl_")}
