"""The one parser of configured addresses: what it refuses, it never quotes.

``urllib.parse`` reads what people write into a password (``[``, ``℀``, ``/``) as something else, or puts the whole of
it into its error. Here the login is what stands before the ``@``, whatever it is made of, and ``Address.url`` writes it
as RFC 3986 wants it, so that every client reads the same.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

_PARTS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.%a-z_-]*\]|[^:\[\]\s]*)(?::(?P<port>\d*))?")
_HIGHEST_PORT = 65535
_IN_LOGINS = "write / as %2F, ? as %3F, # as %23 and @ as %40 in a user or a password"


_SETTINGS = re.compile(r"\s*(?:\w+\s*=\s*(?:'(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?:\s+|$))+", re.DOTALL)
"""libpq's other form: ``host=h user=u password='p w'``."""


class BadAddress(ValueError):
    """A text that is no address; says what was expected and never what was found."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its parts; the login is decoded."""

    scheme: str
    host: str
    """In small letters and without the brackets of an IPv6 address; empty where none is named."""
    port: int | None
    rest: str
    """Path, query and fragment, as they were."""
    username: str | None = None
    password: str | None = None
    authority: str | None = None
    """Host and port as they were, where they are more than one (libpq's list of hosts)."""

    def __repr__(self) -> str:
        return f"Address({self.scheme}://{self.host})"

    @property
    def url(self) -> str:
        """The whole address, the login in percent codes."""
        return f"{self.scheme}://{self.login}{self.netloc}{self.rest}"

    @property
    def login(self) -> str:
        """The login in percent codes, with the ``@`` that ends it; empty without one."""
        if self.username is None:
            return ""
        password = "" if self.password is None else f":{_quoted(self.password)}"
        return f"{_quoted(self.username)}{password}@"

    @property
    def netloc(self) -> str:
        """Host and port."""
        if self.authority is not None:
            return self.authority
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """The path alone."""
        return re.split(r"[?#]", self.rest, maxsplit=1)[0]

    @property
    def query(self) -> str:
        """What stands between ``?`` and ``#``; empty without it."""
        return self.rest.partition("#")[0].partition("?")[2]

    def at(self, host: str, port: int) -> Address:
        """Return the same address at another host and port."""
        return replace(self, host=host, port=port, authority=None)


def parse(text: str) -> Address:
    """Return the parts of an address.

    Raises:
        BadAddress: it has no scheme, its port is no number, or its login holds a character that ends a login.
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        raise BadAddress("expected an address like scheme://host:port")
    login, at, authority = found["authority"].rpartition("@")
    user, colon, password = login.partition(":")
    rest = f"{found['path']}{found['query'] or ''}{found['fragment'] or ''}"
    spoilt = "@" in rest and not _is_plain(found)  # an @ that follows what should have been a code
    place = _HOST.fullmatch(authority)
    if place is None and "," in authority and not spoilt:  # several hosts: libpq knows what to do with them
        place = _HOST.fullmatch(authority.split(",")[0])
    else:
        authority = ""
    if place is None or spoilt:
        raise BadAddress(f"expected an address like scheme://host:port, a login and @ before the host; {_IN_LOGINS}")
    host = place["host"].strip("[]")
    if any(sign in unicodedata.normalize("NFKC", host) for sign in "/?#@"):
        raise BadAddress("expected a host's name, found a character that stands for / ? # or @")
    port = int(place["port"]) if place["port"] else None
    if port is not None and port > _HIGHEST_PORT:
        raise BadAddress(f"expected a port up to {_HIGHEST_PORT}")
    return Address(
        found["scheme"].lower(),
        host if "%" in host else host.lower(),  # a socket's folder keeps its letters
        port,
        rest,
        unquote(user) if at else None,
        unquote(password) if colon else None,
        authority or None,
    )


def database(text: str) -> str:
    """Return a database's address as every client reads it; libpq's ``key=value`` pairs stay. Raises BadAddress."""
    if "://" in text or _SETTINGS.fullmatch(text) is None:
        return parse(text).url
    return text


def has_password(text: str) -> bool:
    """Say whether a database's address holds a password, in its login or among its parameters. Raises BadAddress."""
    if re.search(r"(?:^|[\s?&])(?:ssl)?password\s*=", text) is not None:
        return True
    return "://" in database(text) and parse(text).password is not None


def hostname(text: str | None) -> str:
    """Return the host of an address, empty when there is none."""
    try:
        return parse(text or "").host
    except BadAddress:
        return ""


def _is_plain(found: re.Match[str]) -> bool:
    """Say whether an ``@`` behind the host belongs there: to a page's path, to a parameter's value."""
    if found["scheme"].lower() in {"http", "https"}:
        return True
    return "@" not in found["path"] and re.match(r"\?\w+=", found["query"] or "") is not None


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="")
