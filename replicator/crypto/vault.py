"""The bytes of what is encrypted: headers, contexts, and the keys that one push makes. Pure but for its randomness.

A push draws one key-encryption key, wraps it to every recipient and forgets it; each pack and manifest has a key of its
own, derived from that one and 32 random bytes. The nonce of a block is its offset in its pack, which no two share.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from replicator.crypto.suites.suite import SECRET_BYTES, Refused
from replicator.errors import DataCorrupt
from replicator.json_text import parse_json
from replicator.log.records import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.crypto.suites.suite import Suite

PACK_MAGIC = b"DRPACK2\n"
MANIFEST_MAGIC = b"DRMANI2\n"
SALT_BYTES = 32
_LENGTH = struct.Struct(">I")
_MAX_HEADER = 4096
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Bound:
    """What every ciphertext names: suite, family of repositories (or environment), workload."""

    suite: Suite
    scope: str
    workload: str

    def names(self) -> dict[str, str]:
        return {"suite": self.suite.name, "environment": self.scope, "workload": self.workload}


@dataclass(frozen=True, slots=True)
class PushKey:
    """A key-encryption key. Its id commits to it: a store that exchanges a wrapped key is found out."""

    secret: bytes = field(repr=False)
    id: str

    @classmethod
    def draw(cls, suite: Suite) -> PushKey:
        return cls.of(suite, secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def of(cls, suite: Suite, secret: bytes) -> PushKey:
        return cls(secret, suite.derive(secret, b"", "key id")[:_ID_BYTES].hex())


def key_object(key: str, recipient: str) -> str:
    return f"keys/{key}/{recipient}"


def wrapping_info(suite: Suite, scope: str, key: str, recipient: str) -> bytes:
    """What a wrapped key is bound to."""
    return canonical({"suite": suite.name, "environment": scope, "key": key, "recipient": recipient})


def header(magic: bytes, bound: Bound, key: str, salt: bytes) -> bytes:
    """Magic, length (4 bytes, big-endian), canonical JSON."""
    told = canonical({**bound.names(), "key": key, "salt": salt.hex()})
    return magic + _LENGTH.pack(len(told)) + told


def read_header(magic: bytes, stored: bytes) -> tuple[dict[str, Any], int]:
    """(what it names, where the rest begins). DataCorrupt if it is none."""
    start = len(magic) + _LENGTH.size
    if stored[: len(magic)] != magic or len(stored) < start:
        raise DataCorrupt("it does not begin as it should")
    (length,) = _LENGTH.unpack(stored[len(magic) : start])
    if length > _MAX_HEADER or start + length > len(stored):
        raise DataCorrupt("its header is longer than it may be")
    try:
        named = parse_json(stored[start : start + length])
    except (ValueError, RecursionError) as error:
        raise DataCorrupt(f"its header cannot be read: {error}") from error
    if not isinstance(named, dict):
        raise DataCorrupt("its header is not an object")
    return cast("dict[str, Any]", named), start + length


def seal_manifest(bound: Bound, key: PushKey, plain: bytes) -> bytes:
    """A manifest's object: header and ciphertext; the header is authenticated with it."""
    salt = secrets.token_bytes(SALT_BYTES)
    head = header(MANIFEST_MAGIC, bound, key.id, salt)
    return head + bound.suite.encrypt(bound.suite.derive(key.secret, salt, "manifest"), 0, plain, head)


def open_manifest(suite: Suite, secret: bytes, stored: bytes) -> bytes:
    """Refused, DataCorrupt."""
    named, start = read_header(MANIFEST_MAGIC, stored)
    key = suite.derive(secret, salt_of(named), "manifest")
    return suite.decrypt(key, 0, stored[start:], stored[:start])


def pack_key(suite: Suite, secret: bytes, salt: bytes) -> bytes:
    return suite.derive(secret, salt, "pack")


def block_context(bound: Bound, name: str, coder: str, size_bytes: int) -> bytes:
    """What a block is bound to, beside its place: `size_bytes` is that of the plaintext before its coder."""
    return canonical({**bound.names(), "block": name, "coder": coder, "size_bytes": size_bytes})


def seal_part(suite: Suite, seed: bytes, context: bytes, plain: bytes) -> bytes:
    """For the holders of a signing key among themselves: salt and ciphertext."""
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + suite.encrypt(suite.derive(seed, salt, "part"), 0, plain, context)


def open_part(suite: Suite, seed: bytes, context: bytes, stored: bytes) -> bytes:
    """Refused."""
    if len(stored) < SALT_BYTES:
        raise Refused("it is too short")
    salt, body = stored[:SALT_BYTES], stored[SALT_BYTES:]
    return suite.decrypt(suite.derive(seed, salt, "part"), 0, body, context)


def salt_of(named: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(named["salt"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataCorrupt("its header names no salt") from error
