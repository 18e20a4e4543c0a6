"""The claim as a container that never runs: the engine gives its name to one alone, and keeps a file in it."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from ...model import CannotObserve
from ..capabilities import PlatformRefused
from ..claims import Changed, Kept

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from .platform import Project

LABEL = "drillbook.claim"
_FILE = "claim.json"
_CONFLICT = 409


class EngineClaim:
    """The claim of one project, in a container beside its own; Compose itself does not see it.

    Args:
        project: whose.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.name = f"{project.project.name}-drillbook-claim"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"container {self.name} (never started)"

    def clock_s(self) -> float:
        """Return the engine's clock, in seconds since 1970. Raises CannotObserve."""
        said = self._project.look(lambda client: str(client.info().get("SystemTime", "")))
        try:
            return dt.datetime.fromisoformat(said).timestamp()
        except ValueError:
            raise CannotObserve(f"the engine's SystemTime is {said!r}, no time", hint="run docker info") from None

    def read_claim(self) -> Kept | None:
        """Return the claim, None when there is none. Raises CannotObserve."""
        return self._project.look(self._read)

    def write_claim(self, text: str, *, over: Kept | None) -> None:
        """Write it over the one that was read, or where none was. Raises Changed, PlatformRefused."""
        if over is None:
            self._project.act(f"write {self.place}", lambda client: self._create(client, text))
        else:
            self._project.act(f"write {self.place}", lambda client: _put(self._same(client, over), text))

    def remove_claim(self, *, over: Kept) -> None:
        """Remove the one that was read; one that is gone is fine. Raises Changed, PlatformRefused."""

        def remove(client: DockerClient) -> None:
            if self._found(client) is not None:
                self._same(client, over).remove(force=True)

        self._project.act(f"remove {self.place}", remove)

    def _found(self, client: DockerClient) -> Container | None:
        rows = client.containers.list(all=True, filters={"label": f"{LABEL}={self._project.project.name}"})
        return rows[0] if rows else None

    def _read(self, client: DockerClient) -> Kept | None:
        container = self._found(client)
        if container is None:
            return None
        raw = _get(container)
        return Kept(raw.decode("utf-8", errors="replace"), f"{container.id} {hashlib.sha256(raw).hexdigest()}")

    def _same(self, client: DockerClient, over: Kept) -> Container:
        container = self._found(client)
        if container is None or self._read(client) != over:
            raise Changed(self.place)
        return container

    def _create(self, client: DockerClient, text: str) -> None:
        """Create it from an image that the project has anyway; a name that is taken is somebody else's claim."""
        import docker.errors  # noqa: PLC0415 - loaded with the client by now

        image = self._project.some_image(client)
        if image is None:
            raise PlatformRefused(f"{self.place}: the project has no container", hint="bring the project up first")
        labels = {LABEL: self._project.project.name}
        try:
            container = client.containers.create(image, ["true"], name=self.name, labels=labels, network_mode="none")
        except docker.errors.APIError as error:
            if error.status_code == _CONFLICT:
                raise Changed(self.place) from None
            raise
        try:
            _put(container, text)
        except BaseException:
            container.remove(force=True)
            raise


def _put(container: Container, text: str) -> None:
    raw, buffer = text.encode(), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(_FILE)
        entry.size = len(raw)
        archive.addfile(entry, io.BytesIO(raw))
    container.put_archive("/", buffer.getvalue())


def _get(container: Container) -> bytes:
    """Return the file's content; nothing for a container whose author has not written it yet."""
    import docker.errors  # noqa: PLC0415 - loaded with the client by now

    try:
        parts, _ = container.get_archive(f"/{_FILE}")
    except docker.errors.NotFound:
        return b""
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
        found = archive.extractfile(_FILE)
        return found.read() if found is not None else b""
