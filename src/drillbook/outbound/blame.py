"""Whose fault it is when a request comes to nothing: the proxy's, ours, or what any user would suffer.

Each client's library tells in its own terms how far a request came; what that means, and its words, are here for all.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from ..model import CannotObserve
from .proxies import ProxyFailed, refused_by
from .tls import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import Access
    from .proxies import Proxy

_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
"""What the versions of OpenSSL say of an answer that is no TLS."""
_TLS_RECORDS = (r"\x15\x03", r"\x16\x03")
"""An alert or a handshake (RFC 8446, 5.1) where a status line should be, as h11 quotes it."""


def blame_proxy(proxy: Proxy | None, url: str, *, reached: bool, through: bool, why: object) -> None:
    """Raise when a request came no further than the proxy.

    Args:
        proxy: which, None where there is none.
        url: where the request should go.
        reached: whether there was a connection to the proxy.
        through: whether the proxy made a tunnel, as https needs one.
        why: what the client says about it; None where nothing came in time.

    Raises:
        ProxyFailed: it was not reached, or made no tunnel.
    """
    if proxy is None:
        return
    if not reached:
        raise ProxyFailed(proxy, "does not answer in time" if why is None else f"does not answer: {why}") from None
    if url.startswith("https://") and not through:
        raise ProxyFailed(proxy, f"made no tunnel to the service: {why}") from None


def blame_proxys_answer(proxy: Proxy | None, url: str, status: int, headers: Mapping[str, str]) -> None:
    """Raise ProxyFailed when an answer to a plain request came from the proxy itself; see ``refused_by``."""
    if proxy is None or not url.startswith("http://"):
        return
    failed = refused_by(proxy, status, headers)
    if failed is not None:
        raise failed


def blame_us(access: Access, error: Exception) -> None:
    """Raise CannotObserve when a handshake failed by what we showed or expected, not by what any user is shown."""
    refused = refusal(error)
    if refused is None:
        return
    if refused.by_server:
        shown = access.tls.cert_file if access.tls else None
        raise CannotObserve(
            f"the server refused us with {shown or 'no'} client certificate: {refused.reason}",
            hint=f"set tls.cert_file and tls.key_file in {access.key} to a certificate that the service accepts",
        )
    if refused.wrong_name and access.direct and (access.tls is None or access.tls.server_name is None):
        raise CannotObserve(
            f"the certificate is for users and not for an address that Drillbook found: {refused.reason}",
            hint=f"set tls.server_name in {access.key} to the name that users come by",
        )


def reason(error: Exception, access: Access | None = None) -> str:
    """Return why a request failed, in words that say what to do where that is known."""
    refused = refusal(error)
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
