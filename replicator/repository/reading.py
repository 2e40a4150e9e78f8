"""A manifest's blocks as plaintext: the one place that reads packs and undoes their encoding.

Nothing leaves here that does not match the digest that the manifest names. Blocks that lie next to each other in a pack
come with one ranged read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.codec.plain import decode
from replicator.errors import DataCorrupt, KeyMissing, PackDamaged
from replicator.repository.packs import pack_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.repository.edge import EdgeCache
    from replicator.repository.manifest import Block, Manifest
    from replicator.repository.repository import Repository


class PackReader:
    """Reads the blocks of `manifest` out of `repository`, and out of `cache` where it has them. For any thread."""

    def __init__(self, repository: Repository, manifest: Manifest, *, cache: EdgeCache | None = None) -> None:
        self._repository = repository
        self._cache = cache
        self.manifest = manifest

    def block(self, block: Block) -> bytes:
        """Its plaintext. PackDamaged names pack and byte; StoreUnavailable."""
        return self.blocks([block])[0]

    def blocks(self, blocks: Sequence[Block]) -> list[bytes]:
        """The plaintexts of these blocks, in order. PackDamaged at the first that is not what its digest says."""
        found: dict[Block, bytes] = {}
        missing: list[Block] = []
        for block in dict.fromkeys(blocks):
            plain = self._cached(block)
            if plain is None:
                missing.append(block)
            else:
                found[block] = plain
        for run in neighbours(missing):
            found.update(self._fetch(run))
        return [found[block] for block in blocks]

    def _fetch(self, run: list[Block]) -> dict[Block, bytes]:
        pack = self.manifest.packs[run[0].pack].digest
        url, start = self._repository.store.url, run[0].offset
        try:
            stored = self._repository.store.get_range(pack_key(pack), start, sum(block.stored_bytes for block in run))
        except KeyMissing as error:
            raise PackDamaged(f"{url}: pack {pack} is missing", pack=pack) from error
        found: dict[Block, bytes] = {}
        for block in run:
            piece = stored[block.offset - start : block.offset - start + block.stored_bytes]
            try:
                found[block] = self._open(block, piece)
            except DataCorrupt as error:
                raise PackDamaged(f"{url}: pack {pack}, byte {block.offset}: {error}", pack=pack) from error
            if self._cache is not None:
                self._cache.put(pack, block.offset, piece)
        return found

    def _open(self, block: Block, stored: bytes) -> bytes:
        return open_block(self._repository, self.manifest, block, stored)

    def _cached(self, block: Block) -> bytes | None:
        if self._cache is None:
            return None
        pack = self.manifest.packs[block.pack].digest
        stored = self._cache.get(pack, block.offset)
        if stored is None:
            return None
        try:
            return self._open(block, stored)
        except DataCorrupt:
            self._cache.drop(pack, block.offset)
            return None


def neighbours(blocks: Sequence[Block]) -> list[list[Block]]:
    """`blocks` parted where two that follow each other do not lie next to each other in one pack."""
    runs: list[list[Block]] = []
    for block in blocks:
        before = runs[-1][-1] if runs else None
        if before and (before.pack, before.offset + before.stored_bytes) == (block.pack, block.offset):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def open_block(repository: Repository, manifest: Manifest, block: Block, stored: bytes) -> bytes:
    """The plaintext of `block` out of its stored bytes, checked. DataCorrupt."""
    if len(stored) != block.stored_bytes:
        raise DataCorrupt("it ends early")
    plain = decode(block.coder, repository.cipher.open_block(manifest, block, stored), block.size_bytes)
    if manifest.block_name(blake3(plain).hexdigest()) != block.digest:
        raise DataCorrupt("a block is not what its digest says")
    return plain


def read_block(repository: Repository, manifest: Manifest, block: Block) -> bytes:
    """A block's plaintext, checked. PackDamaged names the pack."""
    return PackReader(repository, manifest).block(block)
