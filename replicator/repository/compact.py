"""Carrying a compaction out: needed blocks into new packs, new manifests, read back, then an entry for each checkpoint.

*What* stays as the writer signed it; only *where* is said anew, by the keeper (DESIGN, section 6). Invariants: a new
encoding takes effect only by winning a slot of the term in which its packs were made, over the very encoding that it was
made from; before that every new byte was read back from the store. Whatever interrupts it, what stood still stands.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.codec.plain import encode
from replicator.errors import DataCorrupt, KeyAbsent, KeyLocked, Sealed
from replicator.log.entries import Commit, Compact
from replicator.log.naming import names
from replicator.log.records import digest
from replicator.model import PackRef, Where
from replicator.repository import manifest as manifests
from replicator.repository.beside import require_beside
from replicator.repository.cipher import PLAIN
from replicator.repository.packs import PackWriter, manifest_key, pack_key
from replicator.repository.progress import Progress
from replicator.repository.reading import PackReader, neighbours
from replicator.retention.compaction import Usage, compact_entry, over_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from replicator.log.replay import Accepted, LogView
    from replicator.log.workload import WorkloadLog
    from replicator.model import CommitId
    from replicator.repository.cipher import PushCipher
    from replicator.repository.manifest import Block, Manifest
    from replicator.repository.repository import Repository
    from replicator.retention.compaction import Plan, Rewrite

RUN_BYTES = 16 * 1024 * 1024
"""At most so many bytes of neighbouring blocks are read at once."""


@dataclass(slots=True)
class Compacted:
    """`left`: by TERM.HEIGHT why a planned checkpoint kept its encoding."""

    done: list[CommitId] = field(default_factory=list["CommitId"])
    left: dict[str, str] = field(default_factory=dict[str, str])
    read_bytes: int = 0
    written_bytes: int = 0


def usage_of(repository: Repository, view: LogView) -> dict[CommitId, Usage]:
    """Of every checkpoint that stands and whose manifest is whole. KeyAbsent where the keys at hand read none."""
    found: dict[CommitId, Usage] = {}
    for key, accepted in view.accepted.items():
        try:
            found[key] = _usage(repository.manifest(accepted.where.manifest))
        except DataCorrupt:
            continue
        except (KeyAbsent, KeyLocked) as error:
            raise KeyAbsent(f"compaction reads what it encodes anew: {error}", hint=_READER) from error
    return found


_READER = "Run it where a recipient's key is, with the keeper's: replicator compact --keys FOLDER"


def _usage(manifest: Manifest) -> Usage:
    blocks: dict[str, dict[int, int]] = {}
    for block in manifest.blocks:
        blocks.setdefault(manifest.packs[block.pack].digest, {})[block.offset] = block.stored_bytes
    return Usage(blocks, {pack.digest: pack.size_bytes for pack in manifest.packs})


def compact(
    repository: Repository,
    workload: str,
    plan: Plan,
    view: LogView,
    *,
    grace_s: float,
    progress: Callable[[int], None] | None = None,
) -> Compacted:
    """Carry out what was planned on `view`. Sealed where the term ended meanwhile; StoreUnavailable.

    What cannot be read, or is not read back as it was written, keeps its encoding. `grace_s`: how long the old bytes
    stay, longer than the longest push and restore.
    """
    repository.log(workload).require_writer()
    require_keeper(repository, "a compaction")
    done = Compacted()
    fulls = [[rewrite] for rewrite in plan.rewrites if rewrite.full]
    for group in [*fulls, [rewrite for rewrite in plan.rewrites if not rewrite.full]]:
        if group:
            _Group(repository, workload, plan.term, done, progress).carry_out(group, view, grace_s)
    return done


def require_keeper(repository: Repository, doing: str) -> None:
    """KeyAbsent unless a keeper's key is at hand, where entries are signed: to be known before bytes are written."""
    if repository.cipher is not PLAIN and repository.keys is not None:
        repository.keys.signer(("keeper",), doing)


def take_effect(
    log: WorkloadLog, made_from: Accepted, where: Where, *, term: int, bytes_after: float, reason: str
) -> str | None:
    """Say in the log that `where` is the checkpoint's encoding from now on; why not, if it may not be any more."""
    why: list[str] = []

    def decide(view: LogView) -> Compact | None:
        entry = compact_entry(view, made_from, where, term=term, bytes_after=bytes_after, reason=reason)
        if isinstance(entry, Compact):
            return entry
        why.append(entry)
        return None

    return None if log.append(decide) is not None else why[-1]


@dataclass(frozen=True, slots=True)
class _Old:
    rewrite: Rewrite
    accepted: Accepted
    manifest: Manifest


class _Group:
    """Checkpoints that share what is written anew, under one key and one salt."""

    def __init__(
        self,
        repository: Repository,
        workload: str,
        term: int,
        done: Compacted,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._repository = repository
        self._log = repository.log(workload)
        self._term = term
        self._done = done
        self._progress = progress
        self._salt = secrets.token_bytes(16)
        self._made: list[str] = []
        self._read_back: set[tuple[str, int]] = set()

    def carry_out(self, rewrites: Sequence[Rewrite], view: LogView, grace_s: float) -> None:
        try:
            self._carry_out(rewrites, view, grace_s)
        except DataCorrupt as error:
            settled = {*map(str, self._done.done), *self._done.left}
            self._done.left |= {str(each.commit): str(error) for each in rewrites if str(each.commit) not in settled}
        self._tidy()

    def _carry_out(self, rewrites: Sequence[Rewrite], view: LogView, grace_s: float) -> None:
        olds = [self._old(rewrite, view) for rewrite in reversed(rewrites)]
        for alike in _by_block_key(olds):
            cipher = self._repository.cipher.anew(alike[0].manifest, self._salt + bytes(4))
            progress = Progress()
            try:
                with PackWriter(self._repository.store, cipher, progress) as writer:
                    moved = self._move(alike, writer)
            finally:
                self._made += [pack_key(noted.pack.digest) for noted in progress.packs]
            self._done.written_bytes += writer.shipped_bytes
            planned = [(old, self._place(old, cipher, moved, writer.packs)) for old in alike]
            for old, where in planned:
                self._take_effect(old, where, grace_s)

    def _old(self, rewrite: Rewrite, view: LogView) -> _Old:
        accepted = view.accepted[rewrite.commit]
        return _Old(rewrite, accepted, self._repository.manifest(accepted.where.manifest))

    def _move(self, olds: Sequence[_Old], writer: PackWriter) -> dict[tuple[str, int], Block]:
        """Write every block that leaves its pack once; where each is now, by where it was."""
        moved: dict[tuple[str, int], Block] = {}
        for old in olds:
            reader = PackReader(self._repository, old.manifest)
            leaving = [block for block in old.manifest.blocks if _leaves(old, block) and _at(old, block) not in moved]
            for run in _runs(list(dict.fromkeys(leaving))):
                for block, plain in zip(run, reader.blocks(run), strict=True):
                    moved[_at(old, block)] = writer.add(block.digest, len(plain), *encode(plain))
                    self._count(block.stored_bytes)
        writer.finish()
        return moved

    def _place(
        self, old: _Old, cipher: PushCipher, moved: dict[tuple[str, int], Block], new: Sequence[PackRef]
    ) -> Where:
        """The new manifest, put and read back with every new block that it needs."""
        packs: list[PackRef] = []
        index: dict[str, int] = {}
        blocks: list[Block] = []
        for block in old.manifest.blocks:
            now = moved[_at(old, block)] if _leaves(old, block) else block
            pack = new[now.pack] if _leaves(old, block) else old.manifest.packs[block.pack]
            if pack.digest not in index:
                index[pack.digest] = len(packs)
                packs.append(pack)
            blocks.append(now._replace(pack=index[pack.digest]))
        cipher.lean(old.manifest)
        changed = {"push": self._salt.hex(), "blocks": tuple(blocks), "packs": tuple(packs)}
        made = old.manifest.model_copy(update={**changed, "encryption": cipher.describe(packs)})
        stored = cipher.manifest(manifests.encode(made))
        ref = PackRef(digest=digest(stored), size_bytes=len(stored))
        self._made.append(manifest_key(ref.digest))
        cipher.put(self._repository.store, manifest_key(ref.digest), stored)
        self._done.written_bytes += len(stored)
        self._require_same(old, ref)
        return Where(
            manifest=ref, packs=tuple(packs), base=None if old.rewrite.full else old.accepted.where.base,
            shipped_bytes=old.accepted.where.shipped_bytes, keys=made.keys(),
        )  # fmt: skip

    def _require_same(self, old: _Old, ref: PackRef) -> None:
        """DataCorrupt unless what the store has now is the checkpoint that the writer signed."""
        what = old.accepted.what
        made = self._repository.manifest(ref)
        if manifests.root_of(made) != what.root or [b[:2] for b in made.blocks] != [b[:2] for b in old.manifest.blocks]:
            raise DataCorrupt(f"the new manifest of {what.id()} lists other files than its commit")
        require_beside(made, old.accepted)
        reader = PackReader(self._repository, made)
        fresh = {
            block: (made.packs[block.pack].digest, block.offset)
            for block, before in zip(made.blocks, old.manifest.blocks, strict=True)
            if _leaves(old, before)
        }
        for run in _runs([block for block, at in fresh.items() if at not in self._read_back]):
            reader.blocks(run)
            self._read_back.update(fresh[block] for block in run)
            self._count(sum(block.stored_bytes for block in run))

    def _take_effect(self, old: _Old, where: Where, grace_s: float) -> None:
        key = old.accepted.what.id()
        after = self._repository.clock() + grace_s
        why = take_effect(self._log, old.accepted, where, term=self._term, bytes_after=after, reason=old.rewrite.reason)
        if why is None:
            self._done.done.append(key)
            return
        if (over := over_since(self._log.view(), self._term)) is not None:
            raise Sealed(f"{self._log.workload}: {over}; nothing was compacted since")
        self._done.left[str(key)] = why

    def _tidy(self) -> None:
        """Remove what was made and is named by nothing, now that every outcome is known."""
        told = [entry for entry in self._log.entries() if isinstance(entry, Commit | Compact)]
        named = {name for entry in told for name in names(entry.where)}
        for key in self._made:
            if key.rpartition("/")[2] not in named:
                self._repository.store.delete(key)

    def _count(self, size_bytes: int) -> None:
        self._done.read_bytes += size_bytes
        if self._progress is not None:
            self._progress(size_bytes)


def _leaves(old: _Old, block: Block) -> bool:
    return old.rewrite.full or old.manifest.packs[block.pack].digest in old.rewrite.packs


def _at(old: _Old, block: Block) -> tuple[str, int]:
    return old.manifest.packs[block.pack].digest, block.offset


def _by_block_key(olds: Sequence[_Old]) -> list[list[_Old]]:
    """Checkpoints of writers with different keys share no packs, and get none together."""
    found: dict[str, list[_Old]] = {}
    for old in olds:
        told = old.manifest.encryption
        found.setdefault(told.block_key if told else "", []).append(old)
    return list(found.values())


def _runs(blocks: list[Block]) -> Iterator[list[Block]]:
    """Neighbours in a pack, at most RUN_BYTES of them at once."""
    for run in neighbours(blocks):
        held: list[Block] = []
        size = 0
        for block in run:
            if held and size + block.size_bytes > RUN_BYTES:
                yield held
                held, size = [], 0
            held.append(block)
            size += block.size_bytes
        if held:
            yield held
