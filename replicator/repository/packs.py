"""Packs: encoded blocks put end to end, 16 MiB at a time, each pack named by the BLAKE3 of its bytes.

A pack starts with a magic and a salt that is random for each push, so that two pushes never share a pack and a
keeper that removes one push's packs cannot take another's. The same push, resumed, makes the same packs again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from replicator.errors import DataCorrupt, KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.log.claim import claim
from replicator.log.records import digest
from replicator.model import PackRef
from replicator.repository.manifest import Block
from replicator.repository.progress import Progress

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from replicator.repository.cipher import PushCipher
    from replicator.stores.store import ObjectStore

PACK_BYTES = 16 * 1024 * 1024


def pack_key(name: str) -> str:
    return f"packs/{name[:2]}/{name}"


def manifest_key(name: str) -> str:
    return f"manifests/{name[:2]}/{name}"


def put_content(store: ObjectStore, key: str, body: bytes) -> bool:
    """Create an object whose key names its content. False if it was there already, whole."""
    try:
        if store.size(key) == len(body):
            return False
    except KeyMissing:
        pass
    try:
        store.create(key, body)
    except KeyExists:
        pass
    except (OutcomeUnknown, StoreUnavailable):
        if _arrived(store, key, len(body)):
            return True
        outcome = claim(store, key, body)
        if not outcome.ours:
            raise DataCorrupt(f"{store.url}: {key} holds something else") from None
    else:
        return True
    if store.size(key) != len(body):
        raise DataCorrupt(f"{store.url}: {key} holds something else")
    return False


def put_new(store: ObjectStore, key: str, body: bytes, *, tries: int = 5) -> bool:
    """Create an object that nobody else can have made under its key: its content is random, or its name is its digest.

    Reads nothing, so that a writer needs no right to. False if an earlier try of ours had put it. StoreError.
    """
    for left in reversed(range(tries)):
        try:
            store.create(key, body)
        except KeyExists:
            return False
        except (OutcomeUnknown, StoreUnavailable):
            if not left:
                raise
        else:
            return True
    return False


def _arrived(store: ObjectStore, key: str, size_bytes: int) -> bool:
    """Whether the object is there whole, which costs less to ask than to send it again. Not if nobody may say so."""
    try:
        return store.size(key) == size_bytes
    except StoreError:
        return False


class PackWriter:
    """Collects blocks into packs and ships each as it fills, while the next one does. Two packs are in memory at most.

    Used in a `with`, at whose end nothing is on its way any more.

    What `progress` knows of this push, and the store still has, is not sent again: `sent` names those blocks.
    """

    def __init__(self, store: ObjectStore, cipher: PushCipher, progress: Progress | None = None) -> None:
        self._store = store
        self._cipher = cipher
        self._open = bytearray()
        self._begins = 0
        self._progress = Progress() if progress is None else progress
        self._blocks: list[Block] = []
        self.packs: list[PackRef] = []
        self.sent: dict[str, Block] = {}
        self.shipped_bytes = 0
        self._putting = ThreadPoolExecutor(1, thread_name_prefix="put")
        self._on_its_way: Future[int] | None = None
        for pack, blocks, key in self._progress.packs:
            if cipher.reuse_pack(pack.digest, key) and _arrived(store, pack_key(pack.digest), pack.size_bytes):
                self.sent.update({block.digest: block._replace(pack=len(self.packs)) for block in blocks})
                self.packs.append(pack)
                self.shipped_bytes += pack.size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._putting.shutdown()

    def add(self, name: str, size_plain: int, coder: str, encoded: bytes) -> Block:
        """Place a block of so many bytes that `coder` encoded; its pack index counts from this writer's first pack."""
        size_bytes = len(encoded) + self._cipher.overhead_bytes
        wanted = PACK_BYTES if self._progress.pack_bytes is None else self._progress.pack_bytes()
        if len(self._open) + size_bytes > wanted and len(self._open) > self._begins:
            self._ship()
        if not self._open:
            self._open += self._cipher.open_pack()
            self._begins = len(self._open)
        stored = self._cipher.block(len(self._open), name, coder, size_plain, encoded)
        block = Block(name, size_plain, len(self.packs), len(self._open), len(stored), coder)
        self._open += stored
        self._blocks.append(block)
        return block

    def finish(self) -> tuple[PackRef, ...]:
        """Ship what is left. All packs are then in the store, confirmed by it."""
        if len(self._open) > self._begins:
            self._ship()
        self._await()
        return tuple(self.packs)

    def _ship(self) -> None:
        """Begin to send the open pack, once the one before it is there."""
        body = bytes(self._open)
        name = digest(body)
        pack = PackRef(digest=name, size_bytes=len(body))
        self._await()
        self._progress.note(pack, self._blocks, self._cipher.close_pack(name))
        self._on_its_way = self._putting.submit(self._put, name, body)
        self.packs.append(pack)
        self._blocks = []
        self._open, self._begins = bytearray(), 0

    def _put(self, name: str, body: bytes) -> int:
        return len(body) if self._cipher.put(self._store, pack_key(name), body) else 0

    def _await(self) -> None:
        if self._on_its_way is not None:
            coming, self._on_its_way = self._on_its_way, None
            self.shipped_bytes += coming.result()
