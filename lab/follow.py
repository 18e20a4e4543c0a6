"""Follows growing log files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LOOK_EVERY_S = 0.1


def follow(files: Mapping[str, Path], begins: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield each new line with its file's name, until the folder of the files is gone.

    Args:
        files: the files by name; they need not exist yet.
        begins: where in each to begin.
    """
    places = dict(begins)
    folders = {path.parent for path in files.values()}
    while any(folder.exists() for folder in folders):
        quiet = True
        for name, path in files.items():
            for line in _whole_lines(path, places[name]):
                places[name] += len(line)
                quiet = False
                yield name, line.decode("utf-8", errors="replace").rstrip("\n")
        if quiet:
            time.sleep(LOOK_EVERY_S)


def _whole_lines(path: Path, begin: int) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(begin)
            return [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
    except OSError:
        return []
