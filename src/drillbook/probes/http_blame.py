"""Answers that say nothing of the service: they are about us, or about the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import outbound
from ..model import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model import Access

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
_CONNECTS = "connection.connect_tcp.started"


def blame_proxy(proxy: outbound.Proxy | None, address: str, steps: Sequence[str], error: Exception) -> None:
    """Raise ProxyFailed when a request came no further than the proxy, by the steps that httpcore has told."""
    kept = _CONNECTS not in steps  # a connection of before was taken, which had come through
    outbound.blame_proxy(
        proxy,
        address,
        reached=kept or "connection.connect_tcp.complete" in steps,
        through=kept or "proxy.start_tls.started" in steps,
        why=outbound.reason(error),
    )


def blame_answer(
    access: Access, proxy: outbound.Proxy | None, address: str, status: int, headers: Mapping[str, str]
) -> None:
    """Raise for an answer that is about us or about the proxy."""
    if status == TOO_MANY_REQUESTS:
        raise CannotObserve(
            "429 Too Many Requests, which our own requests may have caused",
            hint=f"set {access.key}.max_rps below the limit of the service",
        )
    if status == UNAUTHORIZED and access.logs_in:
        raise CannotObserve(
            "401 Unauthorized: the service does not take the login that the environment file names",
            hint=f"check token, basic and the headers by reference in {access.key}",
        )
    outbound.blame_proxys_answer(proxy, address, status, headers)
