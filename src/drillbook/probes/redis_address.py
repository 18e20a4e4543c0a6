"""What redis-py could not use in Redis' address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..tables.parameters import other_scheme, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_REDIS_WORDS: Mapping[str, tuple[str, ...]] = {
    "ssl_cert_reqs": ("none", "optional", "required"),
    "protocol": ("2", "3"),
}


def unusable(address: str) -> str | None:
    """Return what is wrong with Redis' address, as ``expected ..., found ...``; None when nothing is."""
    wrong = other_scheme(address, ("redis", "rediss", "unix"))
    if wrong is None and address.startswith("redis://") and re.search(r"[?&]ssl_", address):
        return "expected rediss:// before an address with ssl_ parameters, found redis://"
    return wrong or unknown_parameter(address, lambda: _redis_py(address), _REDIS_WORDS)


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
