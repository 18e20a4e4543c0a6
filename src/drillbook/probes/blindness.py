"""Why a probe can never look at a system, by what the environment file says alone; nothing is contacted.

A platform that runs a system is asked for whatever a probe needs, and what it does not answer is UNKNOWN. Seen from
outside there is nobody to ask: what has no address in the file is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..platforms import Lists, offered_by, sees_from_outside

if TYPE_CHECKING:
    from ..model import System


def lacks(system: System, capability: Any, needed_for: str) -> str | None:
    """Return why a platform will never do this, None where it has the capability at all.

    Args:
        system: whose platform.
        capability: the protocol that a probe cannot do without.
        needed_for: what the platform would have to do, to go on from "only a platform".
    """
    if capability in offered_by(system.platform):
        return None
    return f"only a platform {needed_for}, and platform {system.platform} does not"


def start_unknown(system: System) -> str | None:
    """Return why nobody can say when an instance started; for rows that judge what was logged since then."""
    return lacks(system, Lists, "knows when an instance started")


def unnamed(system: System, what: str, key: str, *, named: bool) -> str | None:
    """Return why something is not seen that has no address in the file; None where it has one, or a platform runs it.

    Args:
        system: which.
        what: would have the address.
        key: where it would be named, below the system's components.
        named: whether it is.
    """
    if named or not sees_from_outside(system.platform):
        return None
    return f"the environment names no {what}, as systems.{system.name}.components.{key}"


def other_machine(system: System) -> str | None:
    """Return why the machine that runs a system cannot be looked at."""
    if not sees_from_outside(system.platform):
        return None
    return "it is about the machine that runs the service, and addresses do not lead there"
