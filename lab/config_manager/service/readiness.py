"""Whether new requests should be sent to this instance."""

from .model import Storage


class Readiness:
    """Off until the storage is open, off while it is lost, and off for good once the shutdown begins."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.opened = False
        self.stopping = False

    @property
    def ready(self) -> bool:
        """Whether to send requests here."""
        return self.opened and not self.stopping and not self._storage.lost
