"""Lets ``pytest --reports DIR`` mean what it says, as pytest's entry point: it adds no option and no test.

pytest looks for its configuration before it knows any option of a ``conftest.py``; of ``--reports DIR`` it takes DIR,
once that is there, for a place of tests, and finds neither this checkout's configuration nor its options. So the
command line is begun again with ``--reports=DIR``, in a checkout that loads Drillbook's plugin and nowhere else.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS = frozenset(
    {
        "--env",
        "--expect-version",
        "--within",
        "--good-rounds",
        "--deadline",
        "--fail-on",
        "--disrupt",
        "--reports",
        "--alluredir",
    }
)
"""Those that take a value and are unknown to pytest itself."""
_SETTING = "PYTEST_ADDOPTS"


def joined(words: Sequence[str]) -> list[str]:
    """Return a command line in which each of our options is one word with its value, where that is a path."""
    found: list[str] = []
    for position, word in enumerate(words):
        if word == "--":
            return [*found, *words[position:]]
        if found and found[-1] in OPTIONS and not word.startswith("-") and Path(word).exists():
            found[-1] = f"{found[-1]}={word}"
        else:
            found.append(word)
    return found


def pytest_addoption() -> None:
    """Begin pytest's command line again where it would be misread; the earliest that an entry point can."""
    name = Path(sys.argv[0])
    if name.name not in {"pytest", "py.test"} and name.parts[-2:] != ("pytest", "__main__.py"):
        return
    words, setting = sys.argv[1:], os.environ.get(_SETTING, "")
    try:
        wanted, as_set = joined(words), joined(shlex.split(setting))
    except ValueError:  # pytest itself tells of quotes that do not end
        return
    if (wanted == words and as_set == shlex.split(setting)) or not _loads_drillbook(Path.cwd()):
        return
    environment = {**os.environ, **({_SETTING: shlex.join(as_set)} if setting else {})}
    sys.stdout.flush()
    before = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]
    os.execve(sys.executable, [sys.executable, *before, *wanted], environment)  # noqa: S606 - our own command line


def _loads_drillbook(folder: Path) -> bool:
    for place in (folder, *folder.parents):
        conftest = place / "conftest.py"
        if conftest.is_file() and "drillbook.plugin" in conftest.read_text("utf-8", "replace"):
            return True
    return False
