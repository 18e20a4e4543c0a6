"""The few calls of the Docker command line that the systemd host needs; no secret ever stands in an argument."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "drillbook-lab-systemd"
LABEL = "drillbook.lab"
_ROOT = Path(__file__).resolve().parents[1]
_BUILD_S = 900.0
_CALL_S = 60.0
_SHOWN = 1500


def require_engine() -> None:
    """Raise LabError when no Docker engine answers."""
    if shutil.which("docker") is None:
        raise LabError("a systemd host is a container, and there is no docker command; install Docker")
    call("info", "--format", "{{.ServerVersion}}", what="a Docker engine")


def call(*arguments: str, what: str, stdin: bytes | None = None, limit_s: float = _CALL_S) -> str:
    """Run a docker command and return its output.

    Args:
        arguments: after ``docker``; visible to every user, so never a secret.
        what: what is done, for the error.
        stdin: its standard input.
        limit_s: how long it may take.

    Raises:
        LabError: it failed, with the end of what it said.
    """
    try:
        done = subprocess.run(
            ["docker", *arguments],  # noqa: S607 - found on the user's PATH
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{what}: docker {arguments[0]} took longer than {limit_s:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"{what}: docker {arguments[0]} failed: {said[-_SHOWN:]}")
    return done.stdout.decode(errors="replace").strip()


def build() -> None:
    """Build the image, or find that nothing has changed. Raises LabError."""
    call(
        "build", "--quiet", "--tag", IMAGE, "--file", "systemd/Dockerfile", "-",
        what="the image of the systemd host", stdin=_context(), limit_s=_BUILD_S,
    )  # fmt: skip


def _context() -> bytes:
    """Return what the image is built from: the same bytes for the same sources, so that nothing is built twice."""
    sources = [_ROOT / "__init__.py", *_files(_ROOT / "config_manager"), *_files(_ROOT / "systemd")]
    members = [(str(path.relative_to(_ROOT)), path.read_bytes(), 0o644) for path in sources]
    return archive(members)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def archive(members: list[tuple[str, bytes, int]], owner: Callable[[str], tuple[int, int]] = lambda _: (0, 0)) -> bytes:
    """Return a tar archive.

    Args:
        members: path, content and mode of each file.
        owner: gives user and group of a path.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content, mode in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            member.uid, member.gid = owner(name)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
