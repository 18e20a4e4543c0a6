"""Whose fault a failed request is: the proxy's, ours, or what any user would suffer; and its reason in words."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from .. import outbound
from ..model import CannotObserve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..model import Access

UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
"""What the versions of OpenSSL say of an answer that is no TLS."""
_TLS_RECORDS = (r"\x15\x03", r"\x16\x03")
"""An alert or a handshake (RFC 8446, 5.1) where a status line should be, as h11 quotes it."""


def blame_proxy(proxy: outbound.Proxy | None, address: str, steps: Sequence[str], error: Exception) -> None:
    """Raise when a request came no further than the proxy: it was not reached, or made no tunnel."""
    if proxy is None:
        return
    reached = "connection.connect_tcp.started" not in steps or "connection.connect_tcp.complete" in steps
    through = "connection.connect_tcp.started" not in steps or "proxy.start_tls.started" in steps
    if not reached:
        raise outbound.ProxyFailed(proxy, f"does not answer: {reason(error)}")
    if address.startswith("https://") and not through:
        raise outbound.ProxyFailed(proxy, f"made no tunnel to the service: {reason(error)}")


def blame_us(access: Access, error: Exception) -> None:
    """Raise when a handshake failed by what we showed or expected, not by what any user would be shown."""
    refused = outbound.refusal(error)
    if refused is None:
        return
    if refused.by_server:
        shown = access.tls.cert_file if access.tls else None
        raise CannotObserve(
            f"the server refused us with {shown or 'no'} client certificate: {refused.reason}",
            mend=f"set tls.cert_file and tls.key_file in {access.key} to a certificate that the service accepts",
        )
    if refused.wrong_name and access.direct and (access.tls is None or access.tls.server_name is None):
        raise CannotObserve(
            f"the certificate is for users and not for an address that Drillbook found: {refused.reason}",
            mend=f"set tls.server_name in {access.key} to the name that users come by",
        )


def blame_answer(
    access: Access, proxy: outbound.Proxy | None, address: str, status: int, headers: Mapping[str, str]
) -> None:
    """Raise for an answer that is about us or about the proxy."""
    if status == TOO_MANY_REQUESTS:
        raise CannotObserve(
            "429 Too Many Requests, which our own requests may have caused",
            mend=f"set {access.key}.max_rps below the limit of the service",
        )
    if status == UNAUTHORIZED and access.logs_in:
        raise CannotObserve(
            "401 Unauthorized: the service does not take the login that the environment file names",
            mend=f"check token, basic and the headers by reference in {access.key}",
        )
    if proxy is not None and address.startswith("http://"):
        failed = outbound.refused_by(proxy, status, headers)
        if failed is not None:
            raise failed


def reason(error: Exception, access: Access | None = None) -> str:
    """Return why a request failed, in words that say what to do where that is known."""
    refused = outbound.refusal(error)
    if refused is not None:
        trust = f" (trusting {access.tls.ca_file} alone)" if access and access.tls and access.tls.ca_file else ""
        return f"certificate not accepted: {refused.reason}{trust}"
    text = str(error)
    if "refused" in text.lower():
        return "connection refused"
    if _speaks_no_tls(error):
        return "this port speaks http, not https: change the url"
    if any(record in text for record in _TLS_RECORDS):
        return "this port speaks https, not http: change the url"
    if is_cut_off(error):
        return "the connection was closed without an answer"
    return f"{type(error).__name__}: {text}"


def is_cut_off(error: Exception) -> bool:
    """Say whether a connection that had opened was closed before anything came."""
    return "Server disconnected without sending a response" in str(error)


def _speaks_no_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
            return True
        error = error.__cause__ or error.__context__
    return False
