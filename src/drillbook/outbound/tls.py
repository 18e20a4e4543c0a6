"""TLS contexts, and what a handshake that failed says about whom."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ..model import CannotObserve, Tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME_MISMATCH = {62, 64}
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_ABOUT_OUR_CERTIFICATE = (
    *("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE", "CERTIFICATE_REVOKED"),
    *("CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE"),
)
"""Alerts by which a server refuses its client (RFC 8446, 6.2); before TLS 1.3 a missing certificate is the last one."""


class UnusableFile(CannotObserve):
    """A file of ours that TLS cannot use; ``field`` says which of ``Tls``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason, hint=f"put a file that can be used into tls.{field}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Refused:
    """A handshake that one side refused."""

    reason: str
    by_server: bool
    """Whether the server refused us; else we refused its certificate, as any client with this trust would."""
    wrong_name: bool = False


class _Context(ssl.SSLContext):
    """A context with its own idea of the server's name, whichever client uses it and through whatever tunnel."""

    server_name: str | None = None

    def wrap_socket(  # type: ignore[override] # all callers name the options
        self, sock: Any, *, server_hostname: Any = None, **options: Any
    ) -> Any:
        """Wrap for blocking clients."""
        return super().wrap_socket(sock, server_hostname=self.server_name or server_hostname, **options)

    def wrap_bio(  # type: ignore[override] # as above
        self, incoming: Any, outgoing: Any, *, server_hostname: Any = None, **options: Any
    ) -> Any:
        """Wrap for asyncio."""
        return super().wrap_bio(incoming, outgoing, server_hostname=self.server_name or server_hostname, **options)


def context(tls: Tls | None) -> ssl.SSLContext:
    """Return the context of a client; equal settings share one until a file changes. Verification is always on.

    Raises:
        UnusableFile: a file is not there, cannot be read, or is not what it should be.
    """
    files = (tls.ca_file, tls.cert_file, tls.key_file) if tls else ()
    return _made(tls, tuple(map(_changed_at, files)))


@cache
def _made(tls: Tls | None, _changed: tuple[int, ...]) -> ssl.SSLContext:
    found = _Context(ssl.PROTOCOL_TLS_CLIENT)
    found.server_name = tls.server_name if tls else None
    if tls is None or tls.ca_file is None:
        found.load_default_certs()
    else:
        _trust(found, tls.ca_file)
    if tls is not None and tls.cert_file is not None and tls.key_file is not None:
        _show(found, tls.cert_file, tls.key_file)
    return found


def refusal(error: BaseException) -> Refused | None:
    """Return what a failed request says about certificates; None when that is not why it failed."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            reason = one.verify_message.rstrip(".")
            return Refused(reason, by_server=False, wrong_name=one.verify_code in _NAME_MISMATCH)
        reason = getattr(one, "reason", None) or ""
        if isinstance(one, ssl.SSLError) and "ALERT" in reason and reason.endswith(_ABOUT_OUR_CERTIFICATE):
            return Refused(reason.partition("ALERT_")[2].lower().replace("_", " "), by_server=True)
    return None


def is_about_our_files(error: BaseException) -> bool:
    """Say whether a client that makes its own contexts failed by a file that it was told to use."""
    return any(
        isinstance(one, (FileNotFoundError, PermissionError, IsADirectoryError))
        or (isinstance(one, ssl.SSLError) and (one.library in {"PEM", "X509"} or "PEM lib" in str(one)))
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what brought it about."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _changed_at(file: Path | None) -> int:
    try:
        return file.stat().st_mtime_ns if file else 0
    except OSError:
        return 0


def _trust(found: ssl.SSLContext, file: Path) -> None:
    _read("ca_file", file)
    try:
        found.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise UnusableFile("ca_file", f"expected certificates in PEM, found none in {file}") from None


def _show(found: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in _read("cert_file", cert_file):
        raise UnusableFile("cert_file", f"expected a certificate in PEM, found none in {cert_file}")
    if b"PRIVATE KEY-----" not in _read("key_file", key_file):
        raise UnusableFile("key_file", f"expected a private key in PEM, found none in {key_file}")
    try:
        found.load_cert_chain(cert_file, key_file, password=_no_passphrase(key_file))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UnusableFile("key_file", f"expected the key of {cert_file}, found another in {key_file}") from None
        raise UnusableFile("cert_file", f"expected a certificate and key, found {cert_file}, {key_file}") from None


def _no_passphrase(key_file: Path) -> Any:
    """Return what OpenSSL calls for a passphrase (without it, OpenSSL asks at the terminal and waits)."""

    def refuse() -> str:
        raise UnusableFile(
            "key_file",
            f"expected a private key without a passphrase, found an encrypted one in {key_file}"
            " (openssl pkey -in OLD -out NEW, where only this user can read it)",
        )

    return refuse


def _read(field: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableFile(field, f"expected a file that can be read, found {file}: {error.strerror}") from None
