"""Judges for the machine before a deploy; units as the runbook states them, decimal (runbook defect CM-03)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import met_if, rule

if TYPE_CHECKING:
    from ..model import Accepts
    from ..probes.host import PortStates, Resolutions, Resources

GB = 1_000_000_000


def disk_free(*, more_than_gb: float) -> Accepts[Resources]:
    """Accept more free space than this where the data will be."""
    return rule(
        f"more than {more_than_gb:g} GB free",
        lambda host: met_if(
            host.disk_free > more_than_gb * GB, f"{host.disk_free / GB:.1f} GB free at {host.disk_path}"
        ),
    )


def memory_available(*, more_than_gb: float) -> Accepts[Resources]:
    """Accept more available memory (the kernel's MemAvailable) than this."""
    return rule(
        f"more than {more_than_gb:g} GB available",
        lambda host: met_if(
            host.memory_available > more_than_gb * GB, f"{host.memory_available / GB:.1f} GB available"
        ),
    )


def cpu_load(*, less_than_percent: float) -> Accepts[Resources]:
    """Accept a one-minute load per processor below this share."""
    return rule(
        f"load below {less_than_percent:g} % of the processors",
        lambda host: met_if(host.load_share * 100 < less_than_percent, f"{host.load_share * 100:.0f} %"),
    )


def ports_free() -> Accepts[PortStates]:
    """Accept when every asked port was free."""
    return rule(
        "every port is free",
        lambda ports: met_if(
            not ports.taken and bool(ports.free),
            f"taken: {', '.join(map(str, ports.taken))}" if ports.taken else f"{len(ports.free)} free",
        ),
    )


def resolves() -> Accepts[Resolutions]:
    """Accept when every asked name resolved."""
    return rule(
        "every dependency's name resolves",
        lambda names: met_if(
            not names.failed and bool(names.resolved),
            "; ".join(f"{name}: {why}" for name, why in names.failed.items()) or ", ".join(names.resolved),
        ),
    )
