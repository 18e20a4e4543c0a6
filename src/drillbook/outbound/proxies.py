"""Which proxy stands between, by the ordinary variables, and what a failure there says.

``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, in small letters too, as Go's programs read them
(kubectl, Prometheus): ``NO_PROXY`` lists names (with everything below them), addresses, networks (``10.0.0.0/8``),
names and addresses with a port where only that is meant, or ``*``; this machine itself is always reached without a
proxy. One reading of them for all clients: each library has its own, and they differ.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from .. import addresses
from ..addresses import Address, BadAddress
from ..model import CannotObserve

_LOGIN_REQUIRED = 407
_GATEWAY_ERRORS = {502, 503, 504}
_PORTS = {"http": 80, "https": 443}


class ProxyFailed(CannotObserve):
    """The proxy is what failed, so that nothing was heard of the service."""

    def __init__(self, proxy: Proxy, reason: str) -> None:
        super().__init__(
            f"the proxy {proxy.shown} {reason}",
            hint="mend HTTP_PROXY or HTTPS_PROXY, or name the service's host in NO_PROXY",
        )


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy that is spoken to in plain HTTP."""

    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The address without the login."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The login as a header; empty without one."""
        if not self.username and not self.password:
            return {}
        login = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {login}"}


def proxy_for(url: str, *, direct: bool = False) -> Proxy | None:
    """Return the proxy that requests to ``url`` go through, None when they go there by themselves.

    Args:
        url: where requests go.
        direct: whether the address is one that Drillbook found or opened itself; no proxy knows the way there.

    Raises:
        CannotObserve: the variables name a proxy of a kind that is not spoken here.
    """
    parts = addresses.parse(url)
    host = parts.host.rstrip(".")
    named = _variable(parts.scheme) or _variable("all")
    if not named or direct or _is_here(host) or _is_excepted(host, parts, _variable("no")):
        return None
    return _parsed(named, parts.scheme)


def proxies() -> tuple[Proxy, ...]:
    """Return the proxies that the variables name and that can be spoken to, so that their logins can be redacted."""
    found: list[Proxy] = []
    for scheme in ("http", "https", "all"):
        with suppress(CannotObserve):  # said when somebody wants to use it
            if named := _variable(scheme):
                found.append(_parsed(named, scheme))
    return tuple(found)


def refused_by(proxy: Proxy, status: int, headers: Mapping[str, str]) -> ProxyFailed | None:
    """Return the failure when an answer to a plain request came from the proxy itself, as far as that can be told.

    407 always does; 502, 503 and 504 when ``Proxy-Status`` (RFC 9209) or Squid's ``X-Squid-Error`` says so.
    """
    if status == _LOGIN_REQUIRED:
        return ProxyFailed(proxy, "answered 407 Proxy Authentication Required")
    names = {name.lower(): value for name, value in headers.items()}
    said = names.get("x-squid-error") or names.get("proxy-status", "")
    if status in _GATEWAY_ERRORS and ("error=" in said or "x-squid-error" in names):
        return ProxyFailed(proxy, f"answered {status} itself: {said[:100]}")
    return None


def _variable(scheme: str) -> str:
    """Return a variable, in small letters first as everybody does (``urllib.request`` would cost 20 ms to ask)."""
    return os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY") or ""


def _parsed(named: str, scheme: str) -> Proxy:
    unspoken = CannotObserve(
        f"{scheme.upper()}_PROXY names no proxy of the form http://host:port",
        hint="name such a proxy, or name the service's host in NO_PROXY",
    )
    try:
        found = addresses.parse(named if "://" in named else f"http://{named}")
    except BadAddress:
        raise unspoken from None
    port = 80 if found.port is None else found.port
    if found.scheme != "http" or not found.host or not port or "@" in found.rest:
        raise unspoken
    return Proxy(found.host, port, found.username or "", found.password or "")


def _is_here(host: str) -> bool:
    """Say whether a host is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excepted(host: str, parts: Address, rules: str) -> bool:
    port = parts.port or _PORTS.get(parts.scheme)
    return any(_matches(rule.strip().lower(), host, port) for rule in rules.split(",") if rule.strip())


def _matches(rule: str, host: str, port: int | None) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        return _in_network(host, rule)
    name, _, digits = rule.rpartition(":")
    if digits.isdigit() and (":" not in name or name.endswith("]")):  # the rest are IPv6 addresses without a port
        if int(digits) != port:
            return False
        rule = name
    rule = rule.strip("[]").removeprefix("*").removeprefix(".")
    return host == rule or host.endswith(f".{rule}")


def _in_network(host: str, rule: str) -> bool:
    try:
        return ip_address(host) in ip_network(rule, strict=False)
    except ValueError:
        return False
