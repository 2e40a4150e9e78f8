"""What a suite does: it derives a person's keys from one seed, and encrypts, wraps and signs under fixed algorithms.

Everything is bytes and names. Contexts (`info`, `aad`, the message) come from the caller, who names in them what a
ciphertext or a signature belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED_BYTES = 32
"""A seed is all that a key file or a recovery sheet holds."""
SECRET_BYTES = 32
"""Of a key-encryption key and of every key derived from it."""


class Refused(Exception):
    """A ciphertext or a wrapped secret that is not what was encrypted, with this key, in this context."""


class Suite(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def rank(self) -> int: ...

    @property
    def algorithms(self) -> Mapping[str, int]:
        """Of each public half: its name, and its length in bytes."""
        ...

    def public(self, seed: bytes) -> dict[str, bytes]:
        """The public halves of the keys that the seed stands for, by algorithm."""
        ...

    def sign(self, seed: bytes, message: bytes) -> dict[str, bytes]:
        """A signature for each signing algorithm."""
        ...

    def verify(self, public: Mapping[str, bytes], message: bytes, signatures: Mapping[str, bytes]) -> bool:
        """Whether every signing algorithm of the suite has a signature, and each holds."""
        ...

    def wrap(self, public: Mapping[str, bytes], secret: bytes, info: bytes) -> bytes: ...

    def unwrap(self, seed: bytes, wrapped: bytes, info: bytes) -> bytes:
        """Refused if it was not wrapped to this seed in this context."""
        ...

    def derive(self, secret: bytes, salt: bytes, label: str) -> bytes:
        """A key of SECRET_BYTES that says nothing about the secret or about its siblings."""
        ...

    @property
    def overhead_bytes(self) -> int:
        """How much longer a ciphertext is than its plaintext."""
        ...

    def encrypt(self, key: bytes, counter: int, plain: bytes, aad: bytes) -> bytes:
        """Never twice with the same key and counter."""
        ...

    def decrypt(self, key: bytes, counter: int, stored: bytes, aad: bytes) -> bytes:
        """Refused if a bit of it, of the context, or of the place differs."""
        ...
