"""How each component is asked: logins, headers and TLS files, checked and resolved before the first request."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

from .. import outbound
from ..model import Access, Secret, Tls
from .shapes import TlsTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .resolver import Resolver
    from .shapes import AccessTable, BasicTable

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
"""A line break would begin another header, and clients quote such a value escaped, which the redactor cannot know."""


def access(settings: AccessTable, resolver: Resolver, key: str) -> Access:
    """Return how a component is asked; problems are noted in the resolver."""
    headers = {name: resolver.secret(value, f"{key}.headers.{name}") for name, value in settings.headers.items()}
    token = resolver.secret(settings.token, f"{key}.token")
    if isinstance(token, Secret):
        headers["Authorization"] = Secret(f"Bearer {token.reveal()}", token.reference)
    elif settings.basic is not None:
        headers["Authorization"] = _basic(settings.basic, resolver, f"{key}.basic")
    found = {name: value for name, value in headers.items() if value is not None}
    resolver.problems += _unsendable(found, key)
    return Access(found, tls(settings.tls, resolver, f"{key}.tls"), key=key, max_rps=settings.max_rps)


def tls(settings: TlsTable | None, resolver: Resolver, key: str) -> Tls | None:
    """Return the settings with their files, each of which was read once; problems are noted in the resolver."""
    if settings is None:
        return None
    found = Tls(
        ca_file=resolver.path(settings.ca_file, f"{key}.ca_file"),
        cert_file=resolver.path(settings.cert_file, f"{key}.cert_file"),
        key_file=resolver.path(settings.key_file, f"{key}.key_file"),
        server_name=settings.server_name,
    )
    try:
        outbound.context(found)
    except outbound.UnusableFile as error:
        resolver.problems.append(f"{key}.{error.field}: {error.reason}")
    return found


def tls_above(own: TlsTable, below: TlsTable | None, resolver: Resolver, key: str) -> Tls | None:
    """Return an instance's own settings above its component's, key by key; problems are noted in the resolver."""
    under = below.model_dump(exclude_unset=True) if below is not None else {}
    return tls(TlsTable.model_validate({**under, **own.model_dump(exclude_unset=True)}), resolver, key)


def unused_tls(settings: TlsTable | None, addresses: Iterable[str | None], key: str) -> list[str]:
    """Say when TLS settings stand beside addresses that are all plain HTTP: nothing would be verified."""
    named = [address for address in addresses if address is not None]
    if settings is None or not named or any(address.startswith("https://") for address in named):
        return []
    return [f"{key}.tls: expected an address that begins with https:// beside it, found {named[0]}"]


def _basic(settings: BasicTable, resolver: Resolver, key: str) -> Secret | None:
    username = resolver.plain(settings.username, f"{key}.username")
    password = resolver.secret(settings.password, f"{key}.password")
    if username is None or not isinstance(password, Secret):
        return None
    if ":" in username:
        resolver.problems.append(f"{key}.username: expected a name without a colon (RFC 7617)")
    login = b64encode(f"{username}:{password.reveal()}".encode()).decode()
    resolver.hide(login, password.reference)
    return Secret(f"Basic {login}", password.reference)


def _unsendable(headers: dict[str, str | Secret], key: str) -> list[str]:
    """Name the headers that HTTP cannot carry, without their values."""
    plain = outbound.revealed(headers)
    names = [
        f"{key}.headers.{name}: expected the name of a header" for name in plain if not _HEADER_NAME.fullmatch(name)
    ]
    return names + [
        f"{key}.headers.{name}: expected one line of ASCII, found something else"
        for name, value in plain.items()
        if not _HEADER_VALUE.fullmatch(value)
    ]
