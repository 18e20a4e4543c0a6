"""A log that is a file, with the files that were rotated away from it."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import re
from dataclasses import replace
from typing import IO, TYPE_CHECKING, cast

from . import lines
from .capabilities import LogText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ROTATED = re.compile(r"[.-]\d[\w.:-]*|\.old")
"""What rotation puts after a log's name: ``.1``, ``.2.gz``, ``-20241101``, ``.2024-11-01``, ``.old``."""
_COMPRESSED = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}
_NOT_READ = (".zst", ".lz4", ".zip", ".Z")
_BROKEN = (OSError, EOFError, lzma.LZMAError)
_MOST_COMPRESSED_BYTES = 64 << 20
_MOST_SEARCHED_BYTES = 512 << 20
_BLOCK_BYTES = 1 << 20


def end(path: Path, limit_bytes: int) -> LogText:
    """Return the last lines within the limit, from rotated files too. Raises OSError when the log cannot be read."""
    last_write_s = path.stat().st_mtime
    data, whole = b"", True
    for one in _newest_first(path):
        try:
            part, whole = _end_of(one, limit_bytes - len(data))
        except _BROKEN:
            if one == path:
                raise
            part, whole = b"", False
        if part and not data:
            last_write_s = one.stat().st_mtime
        data = part + data
        if not whole:
            break
    found = lines.split(data.decode("utf-8", errors="replace"))
    return LogText(tuple(found if whole else found[1:]), whole=whole, last_write_s=last_write_s)


def search(path: Path, texts: Sequence[str], since_s: float) -> LogText:
    """Return the lines since a moment that hold one of the texts, from rotated files too.

    Raises OSError when the log cannot be read.
    """
    files = [one for one in _newest_first(path) if one == path or one.stat().st_mtime >= since_s]
    missed: list[Path] = []

    def all_lines() -> Iterator[str]:
        searched = 0
        for one in reversed(files):
            try:
                with _opened(one) as file:
                    for line in file:
                        searched += len(line)
                        if searched > _MOST_SEARCHED_BYTES:
                            missed.append(one)
                            return
                        yield line.decode("utf-8", errors="replace").rstrip("\r\n")
            except _BROKEN:
                if one == path:
                    raise
                missed.append(one)

    found = lines.holding(all_lines(), texts, since_s)
    return replace(found, whole=found.whole and not missed)


def _newest_first(path: Path) -> list[Path]:
    """Return the log and what was rotated away from it."""
    rotated = [
        one
        for one in path.parent.glob(f"{glob.escape(path.name)}?*")
        if _ROTATED.fullmatch(one.name.removeprefix(path.name)) and one.is_file()
    ]
    return [path, *sorted(rotated, key=lambda one: one.stat().st_mtime, reverse=True)]


def _end_of(path: Path, limit_bytes: int) -> tuple[bytes, bool]:
    """Return a file's last bytes within the limit, and whether they are all."""
    with _opened(path) as file:
        if path.suffix not in _COMPRESSED:
            begin = max(0, file.seek(0, 2) - limit_bytes)
            file.seek(begin)
            return file.read(limit_bytes), begin == 0
        if path.stat().st_size > _MOST_COMPRESSED_BYTES:
            return b"", False
        data, whole = b"", True
        while block := file.read(_BLOCK_BYTES):
            data += block
            if len(data) > limit_bytes:
                data, whole = data[len(data) - limit_bytes :], False
        return data, whole


def _opened(path: Path) -> IO[bytes]:
    if path.suffix in _NOT_READ:
        raise OSError(f"{path.suffix} is not read")
    opens = _COMPRESSED.get(path.suffix)
    return path.open("rb") if opens is None else cast("IO[bytes]", opens(path))
