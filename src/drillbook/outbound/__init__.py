"""How requests leave this process: TLS, headers and proxies, the same for every client of HTTP that Drillbook has."""

from .blame import blame_proxy, blame_proxys_answer, blame_us, is_cut_off, reason
from .headers import revealed
from .proxies import Proxy, ProxyFailed, proxies, proxy_for
from .tls import Refused, UnusableFile, context, is_about_our_files, refusal

__all__ = [
    "Proxy",
    "ProxyFailed",
    "Refused",
    "UnusableFile",
    "blame_proxy",
    "blame_proxys_answer",
    "blame_us",
    "context",
    "is_about_our_files",
    "is_cut_off",
    "proxies",
    "proxy_for",
    "reason",
    "refusal",
    "revealed",
]
