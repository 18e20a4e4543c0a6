"""``drillbook env``: an environment file's schema, and whether a file is in order. Contacts nothing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from .. import rows
from ..environment import BadEnvironment, Environment, load, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Component, System

_WRONG = 4


def schema() -> int:
    """Print the JSON Schema of environment files."""
    from ..environment.schema import schema as whole  # noqa: PLC0415 - imports every probe

    print(json.dumps(whole(), indent=2))
    return 0


def check(name: str) -> int:
    """Say whether an environment is in order, and what it has; 4 with every problem where it is not.

    Args:
        name: the environment, or its file.
    """
    try:
        environment = load(locate(name))
        rows.check_objectives(environment)
    except BadEnvironment as error:
        print(f"drillbook env check: {error}", file=sys.stderr)
        return _WRONG
    print("\n".join(_lines(environment)))
    return 0


def _lines(environment: Environment) -> Iterator[str]:
    yield f"{environment.path}: in order; {environment.name} on {environment.platform}"
    for name, system in environment.systems.items():
        if name in environment.lab_systems:
            continue
        yield f"  {name}"
        yield from (f"    {part:<10} {_component(component)}" for part, component in system.components.items())
        yield f"    place      {_place(system)}"
        yield f"    writes     {system.scratch_namespace or 'not allowed: checks that write are not judged'}"
    for name in environment.lab_systems:
        yield f"  {name}: its addresses come from the lab"
    at_most = environment.disruption.at_most
    limits = f"at most {at_most.instances} instances, a share of {at_most.share:g} of a component"
    yield f"  disruption   {limits if environment.disruption.allowed else 'not allowed'}"
    yield f"  load         {f'at most {environment.load.max_rps:g} rps' if environment.load else 'not allowed'}"


def _component(component: Component) -> str:
    names = ", ".join(one.name for one in component.instances)
    asked = "asked of the platform" if component.discovered else names
    through = ", through the platform" if component.through == "platform" else ""
    return f"{component.kind}" + (f": {asked}" if asked else "") + through


def _place(system: System) -> str:
    from ..platforms import platform_of  # noqa: PLC0415 - beside its only use

    return platform_of(system).place()
