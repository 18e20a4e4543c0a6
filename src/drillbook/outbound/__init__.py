"""How requests leave this process: TLS, headers and proxies, the same for every client of HTTP that Drillbook has."""

from .headers import revealed
from .proxies import Proxy, ProxyFailed, proxies, proxy_for, refused_by
from .tls import Refused, UnusableFile, context, is_about_our_files, refusal

__all__ = [
    "Proxy",
    "ProxyFailed",
    "Refused",
    "UnusableFile",
    "context",
    "is_about_our_files",
    "proxies",
    "proxy_for",
    "refusal",
    "refused_by",
    "revealed",
]
