"""The port through which packs and manifests are encrypted and read. Under suite `none` nothing is (`PlainCipher`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from replicator.errors import RecordCorrupt
from replicator.repository.packs import put_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.model import PackRef
    from replicator.repository.manifest import Block, Encryption, Manifest, PackKey
    from replicator.stores.store import ObjectStore

MAGIC = b"DRPACK1\n"
_MOST_RANKS = 64
"""Of packs that are gone with their first bytes, these ranks are tried."""


class PushCipher(Protocol):
    """Encrypts what one try of one push sends. Not for use by two threads at once."""

    overhead_bytes: int
    """How much longer each block becomes."""

    def name(self, digest: str) -> str:
        """A block's id, from the digest of its plaintext."""
        ...

    def lean(self, base: Manifest) -> bool:
        """Take a base's packs along, to be named again. False where its blocks have ids of another's making."""
        ...

    def open_pack(self) -> bytes:
        """The head of the next pack."""
        ...

    def block(self, offset: int, name: str, coder: str, size_bytes: int, encoded: bytes) -> bytes:
        """What is stored of a block at `offset` of the pack that is open."""
        ...

    def put(self, store: ObjectStore, key: str, body: bytes) -> bool:
        """Put a pack or manifest, whose key names its content. False if it was there already."""
        ...

    def close_pack(self, digest: str) -> PackKey | None:
        """The open pack goes into the store under this digest. Under which key it is, where it is under one."""
        ...

    def reuse_pack(self, digest: str, key: PackKey | None) -> bool:
        """Take along a pack that an earlier try of this push closed so. False if this one cannot name it."""
        ...

    def describe(self, packs: Sequence[PackRef]) -> Encryption | None:
        """What a manifest with these packs says of their encryption."""
        ...

    def manifest(self, encoded: bytes) -> bytes:
        """What is stored of a manifest."""
        ...


class Cipher(Protocol):
    """Of one repository. Safe for threads."""

    @property
    def readable(self) -> bool:
        """Whether what the repository holds can be decrypted with the keys at hand."""
        ...

    def begin(self, workload: str, salt: bytes) -> PushCipher: ...

    def anew(self, manifest: Manifest, salt: bytes) -> PushCipher:
        """For blocks of `manifest` that are stored anew under the ids that they have, and its packs that stay. KeyAbsent."""
        ...

    def remember(self, digest: str, encoded: bytes) -> None:
        """Keep a manifest that was just shipped, for writers that cannot read it back."""
        ...

    def remembered(self, digest: str) -> bytes | None: ...

    def open_manifest(self, stored: bytes, where: str) -> bytes:
        """DataCorrupt, KeyAbsent."""
        ...

    def open_block(self, manifest: Manifest, block: Block, stored: bytes) -> bytes:
        """DataCorrupt, KeyAbsent."""
        ...

    def block_again(self, manifest: Manifest, block: Block, encoded: bytes) -> bytes:
        """What is stored of a block, as it was when it was sent. DataCorrupt, KeyAbsent."""
        ...

    def heads_again(self, manifest: Manifest, pack: int) -> Iterator[bytes]:
        """How the manifest's pack of that index may begin. DataCorrupt."""
        ...

    def for_peers(self, encoded: bytes, context: str) -> str | None:
        """A manifest for the other ranks' eyes, to be committed by one that sees them all; None if they can read it."""
        ...

    def from_peer(self, sealed: str, context: str) -> bytes: ...

    def missing_keys(self, keys: Sequence[str]) -> str | None:
        """Why some of these could not be unwrapped; None where enough recipients have each."""
        ...


class PlainPush:
    overhead_bytes = 0

    def __init__(self, salt: bytes) -> None:
        self._head = MAGIC + salt

    def name(self, digest: str) -> str:
        return digest

    def lean(self, base: Manifest) -> bool:
        return base.encryption is None

    def open_pack(self) -> bytes:
        return self._head

    def block(self, offset: int, name: str, coder: str, size_bytes: int, encoded: bytes) -> bytes:
        del offset, name, coder, size_bytes
        return encoded

    def put(self, store: ObjectStore, key: str, body: bytes) -> bool:
        return put_content(store, key, body)

    def close_pack(self, digest: str) -> None:
        del digest

    def reuse_pack(self, digest: str, key: PackKey | None) -> bool:
        del digest
        return key is None

    def describe(self, packs: Sequence[PackRef]) -> None:
        del packs

    def manifest(self, encoded: bytes) -> bytes:
        return encoded


class PlainCipher:
    readable = True

    def begin(self, workload: str, salt: bytes) -> PlainPush:
        del workload
        return PlainPush(salt)

    def anew(self, manifest: Manifest, salt: bytes) -> PlainPush:
        del manifest
        return PlainPush(salt)

    def remember(self, digest: str, encoded: bytes) -> None:
        del digest, encoded

    def remembered(self, digest: str) -> None:
        del digest

    def open_manifest(self, stored: bytes, where: str) -> bytes:
        del where
        return stored

    def open_block(self, manifest: Manifest, block: Block, stored: bytes) -> bytes:
        del manifest, block
        return stored

    def block_again(self, manifest: Manifest, block: Block, encoded: bytes) -> bytes:
        del manifest, block
        return encoded

    def heads_again(self, manifest: Manifest, pack: int) -> Iterator[bytes]:
        """As a rank of that push writes them; another push's pack has another salt."""
        del pack
        for rank in range(_MOST_RANKS):
            yield MAGIC + bytes.fromhex(manifest.push) + rank.to_bytes(4, "big")

    def for_peers(self, encoded: bytes, context: str) -> None:
        del encoded, context

    def from_peer(self, sealed: str, context: str) -> bytes:
        raise RecordCorrupt(f"{context}: {sealed[:16]}… is for an encrypted repository, and this one is plain")

    def missing_keys(self, keys: Sequence[str]) -> None:
        del keys


PLAIN = PlainCipher()
