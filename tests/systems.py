"""Systems as an environment describes them, for tests that need none of their surroundings."""

from __future__ import annotations

from typing import Any

from drillbook.model import Access, Component, Instance, Place, Secret, System


def system(
    platform: str = "process",
    *instances: Instance,
    name: str = "config-manager",
    settings: Any = None,
    url: str | None = None,
    max_rps: float | None = None,
    parts: tuple[Component, ...] = (),
    **more: Any,
) -> System:
    """Return a system whose main component has these instances, is entered at ``url``, and has ``parts`` beside it."""
    api = Component("api", url=url, access=Access(max_rps=max_rps), instances=instances)
    return System(name, Place(platform, settings), {one.name: one for one in (api, *parts)}, **more)


def database(kind: str, url: str | Secret) -> Component:
    """Return a database by its address, named as its kind."""
    return Component(kind, kind, url)
