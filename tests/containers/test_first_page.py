"""The commands of the first page, word for word, in fresh containers: a pipeline's job runs in one of these."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ..requires import require
from ..running import ROOT

IMAGES = {"3.11": "python:3.11-slim-bookworm", "3.13": "python:3.13-slim-trixie"}
SHORT = "lint,layers,types,tests-short"
INDEX = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
FIRST_LIMIT_S = 600
SECOND_LIMIT_S = 2400

pytestmark = pytest.mark.timeout(2700)


@dataclass(frozen=True)
class Who:
    """Who types the commands: a user, the folder that the checkout lies in, and what makes both."""

    user: str
    folder: str
    home: str
    made_by: str = "true"


WHO = {
    "root": Who("0:0", "/root", "/root"),
    "user": Who("1000:1000", "/home/someone", "/home/someone", "useradd --uid 1000 --create-home someone"),
    "nameless": Who("1000660000:0", "/srv/build", "/", "install --directory --mode 2775 /srv/build"),
}


@dataclass(frozen=True)
class Container:
    """A running container with the checkout in it."""

    name: str
    who: Who

    def types(self, command: str, *, limit_s: float, **variables: str) -> str:
        """Run a command in the checkout and return what it says; it must succeed."""
        known = [name for one in INDEX for name in (one, one.lower()) if name in os.environ]
        given = [f"{name}={value}" for name, value in {"HOME": self.who.home, **variables}.items()]
        options = [f"--env={one}" for one in (*known, *given)]  # a name alone takes the value from here, unseen
        place = [f"--user={self.who.user}", f"--workdir={self.who.folder}/checkout", self.name]
        finished = subprocess.run(
            ["docker", "exec", *options, *place, "sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert finished.returncode == 0, _what_matters(finished.stdout)
        return finished.stdout


def _what_matters(said: str) -> str:
    """Return what a command said last, after the failures that stand before that."""
    failures = re.findall(r"^(?:E  |FAILED|ERROR|___).*", said, re.MULTILINE)
    return "\n".join([*failures[:200], "[...]", said[-8000:]])


@contextlib.contextmanager
def container(image: str, who: Who) -> Iterator[Container]:
    """Start a container with the default capabilities and copy the checkout, as git sees it, into it."""
    require("compose", shutil.which("docker") is not None, "install Docker")
    name = f"drillbook-first-page-{uuid.uuid4().hex[:8]}"
    _docker("run", "--detach", "--rm", f"--name={name}", image, "sleep", "infinity")
    try:
        _docker("exec", name, "sh", "-c", who.made_by)
        unpack = "mkdir checkout && tar --extract --no-same-owner --directory checkout"
        into = ("exec", "--interactive", f"--user={who.user}", f"--workdir={who.folder}", name, "sh", "-c", unpack)
        _docker(*into, given=checkout())
        yield Container(name, who)
    finally:
        _docker("rm", "--force", name)


def _docker(*arguments: str, given: bytes = b"") -> None:
    subprocess.run(["docker", *arguments], input=given, capture_output=True, check=True, timeout=120)


def checkout() -> bytes:
    """Return the checkout's files, changed ones as they are now, as an archive."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in sorted({name for name in names if name and (ROOT / name).exists()}):
            archive.add(ROOT / name, arcname=name)
    return whole.getvalue()


def commands(page: str, heading: str) -> list[str]:
    """Return the commands that a page shows in blocks below a heading."""
    text = (ROOT / page).read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [block.strip() for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def test_the_second_command_runs_the_short_tests_as_root() -> None:
    # Stands first: it takes by far the longest.
    _, second = commands("README.md", "Two commands")
    with container(IMAGES["3.13"], WHO["root"]) as machine:
        said = machine.types(second, limit_s=SECOND_LIMIT_S, TOXENV=SHORT)
    assert "congratulations" in said


@pytest.mark.alone
def test_the_second_command_runs_gate_and_drill_through_the_wheel_as_root() -> None:
    # The drill judges how fast a service comes back: no place beside other tests.
    _, second = commands("README.md", "Two commands")
    with container(IMAGES["3.13"], WHO["root"]) as machine:
        said = machine.types(second, limit_s=FIRST_LIMIT_S, TOXENV="wheel")
    assert "congratulations" in said


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("python", IMAGES)
def test_the_first_command_judges_a_lab_of_its_own(python: str, who: str) -> None:
    first, _ = commands("README.md", "Two commands")
    with container(IMAGES[python], WHO[who]) as machine:
        said = machine.types(first, limit_s=FIRST_LIMIT_S)
        ended = machine.types("ls -d /tmp/drillbook-lab-* 2>/dev/null | wc -l", limit_s=30)
    assert "36 MET" in said
    assert "exit 0" in said
    assert ended.strip() == "0"


def test_the_first_command_of_contributors_works_with_the_pip_of_debian_12() -> None:
    (first,) = commands("CONTRIBUTING.md", "First")
    with container(IMAGES["3.11"], WHO["user"]) as machine:
        assert machine.types("python3 -m pip --version", limit_s=30).startswith("pip 23."), "no longer Debian 12's"
        machine.types(first, limit_s=FIRST_LIMIT_S)
