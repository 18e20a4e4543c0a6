"""Values are encrypted at rest with AES-256-GCM, bound to the place where they are kept."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .model import EntryId

NONCE_BYTES = 12


class DecryptionError(Exception):
    """A stored value does not belong to the configured key, or was moved or altered."""


class Sealer:
    """Encrypts and decrypts values with one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, entry_id: EntryId, value: str) -> bytes:
        """Return a random nonce and the encrypted value."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value.encode("utf-8", "surrogatepass"), _place(entry_id))

    def unseal(self, entry_id: EntryId, box: bytes) -> str:
        """Return the value; raises DecryptionError unless sealed with this key for this place."""
        try:
            plain = self._cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _place(entry_id))
        except (InvalidTag, ValueError) as error:
            raise DecryptionError(
                "a stored value cannot be decrypted: expected one sealed with the configured encryption key "
                f"for {entry_id.namespace}/{entry_id.key}"
            ) from error
        return plain.decode("utf-8", "surrogatepass")


def _place(entry_id: EntryId) -> bytes:
    return f"{entry_id.namespace}\0{entry_id.key}\0{entry_id.env}".encode()
