"""Environment files as a lab writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from .directory import write_private

_HEAD = "# Written by `drillbook lab up`. Secrets stand in it as references only.\n"


def write_environment(path: Path, facts: dict[str, Any]) -> None:
    """Write an environment file that nobody else may read; paths in it as text."""
    write_private(path, _HEAD + tomli_w.dumps(_plain(facts)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
