"""Shipping a checkpoint to one repository: packs and manifest, confirmed by the store, then the commit (rule 1).

Blocks that the repository's newest checkpoint already holds are named, not sent. Each stage finds what an interrupted
one left: the same push, begun again, sends what is missing and commits once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import (
    BaseGone,
    CheckpointTorn,
    DataCorrupt,
    KeyAbsent,
    KeyLocked,
    KeyMissing,
    RecordCorrupt,
    SourceChanged,
    StoreError,
    StoreUnavailable,
)
from replicator.log.claim import claim
from replicator.log.records import digest
from replicator.model import Finding, Id, PackRef, Point, Versions, What, Where
from replicator.repository import manifest as manifests
from replicator.repository.blocks import OWN_BLOCK_BYTES
from replicator.repository.manifest import Block, Manifest
from replicator.repository.packs import PackWriter, manifest_key
from replicator.repository.progress import Progress
from replicator.repository.sending import Missing, send
from replicator.repository.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId
    from replicator.repository.cipher import PushCipher
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Push:
    """What is being shipped, the same for every destination and every try.

    `salt`: 16 random bytes of this push. `rank` of `world` names the part; a commit takes all parts of one attempt.
    """

    workload: str
    name: str
    term: int
    height: int
    step: int
    attempt: str
    salt: bytes
    saved_at: float
    parent: CommitId | None = None
    findings: tuple[Finding, ...] = ()
    rank: int = 0
    world: int = 1
    counter: str | None = None
    """Who gave the height out (`What.counter`); None for a part of several: whoever sees them all commits."""
    versions: Versions | None = None
    point: Point | None = None

    def anew(self) -> Push:
        """The push that follows where this one's base went: of the same checkpoint, and the same one after a restart."""
        attempt = blake3(self.attempt.encode()).hexdigest()[: len(self.attempt)]
        return replace(self, attempt=attempt, salt=blake3(self.salt).digest(len(self.salt)))


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank shipped: a manifest of its files, their root, and the commit whose packs it leans on."""

    manifest: PackRef
    root: str
    base: CommitId | None
    shipped_bytes: int
    saved_at: float


def ship(push: Push, snapshot: Snapshot, repository: Repository, progress: Progress | None = None) -> Accepted | None:
    """Ship this rank's part and commit if all parts are there. None while others are missing.

    `progress`: how far an earlier try of the same push came there; it goes on from that.

    Sealed if this writer has been replaced; nothing it sent is then ever seen. HeightTaken if (term, height) holds
    another checkpoint. SourceChanged if this attempt already shipped other contents of the step. BaseGone if the base was
    dropped meanwhile, and again while it was sent without that one.
    """
    view = repository.log(push.workload).view()
    view.needs.require_writer(f"{repository.store.url}: log of {push.workload}")
    for each in (push, push.anew()) if push.world == 1 else (push,):
        there = _already(each, view)
        if there is not None:
            if there.what.id() in view.accepted:
                _require_same(each, snapshot, repository, there)
            return there
    try:
        return _ship(push, snapshot, repository, view, progress)
    except BaseGone:  # its part leans on what was dropped while it was sent
        if push.world > 1:
            raise
    fresh = Progress(progress.pack_bytes if progress else None)
    return _ship(push.anew(), snapshot, repository, repository.log(push.workload).view(), fresh)


def _ship(
    push: Push, snapshot: Snapshot, repository: Repository, view: LogView, progress: Progress | None
) -> Accepted | None:
    ours = snapshot.digest
    part = _read_part(push, repository, push.rank) or _ship_part(push, snapshot, repository, view, progress)
    if part.root != ours:
        raise _changed(push)
    parts = [part if rank == push.rank else _read_part(push, repository, rank) for rank in range(push.world)]
    whole = [each for each in parts if each is not None]
    if len(whole) < push.world:
        return None
    return _commit(push, whole, repository)


def _already(push: Push, view: LogView) -> Accepted | None:
    """What this attempt committed of the step, though it may have been dropped since."""
    for accepted in [*view.in_order(), *(gone for gone, _ in view.dropped.values())]:
        what = accepted.what
        if (what.term, what.attempt, what.step) == (push.term, push.attempt, push.step):
            return accepted
    return None


def _require_same(push: Push, snapshot: Snapshot, repository: Repository, there: Accepted) -> None:
    """Our files are among those that were committed, and in a push of one part they are all of them."""
    if push.world == 1:
        same = snapshot.digest == there.what.root
    elif not repository.cipher.readable:
        part = _read_part(push, repository, push.rank)
        same = part is not None and part.root == snapshot.digest
    else:
        held = {_identity(file) for file in repository.manifest(there.where.manifest).files}
        same = {_identity(file) for file in snapshot.entries} <= held
    if not same:
        raise _changed(push)


def _identity(file: manifests.File) -> tuple[str, int, int, int, str]:
    return file.path, file.mode, file.mtime_ns, file.size_bytes, file.digest


def _changed(push: Push) -> SourceChanged:
    return SourceChanged(
        f"{push.workload}: attempt {push.attempt} already shipped other contents of step {push.step}",
        hint="Push it in an attempt of its own.",
    )


_NOTHING = Snapshot(Path(), (), (), ())


def _ship_part(
    push: Push, snapshot: Snapshot, repository: Repository, view: LogView, progress: Progress | None
) -> Part:
    base_id, base = choose_base(repository, push.workload, view)
    cipher = repository.cipher.begin(push.workload, push.salt + push.rank.to_bytes(4, "big"))
    leans = base is not None and cipher.lean(base)
    known = {block.digest: (block, base.packs[block.pack]) for block in base.blocks} if base and leans else {}
    with PackWriter(repository.store, cipher, progress) as writer:
        plan = _plan(snapshot, known, writer.sent, cipher)
        made = send(writer, plan.missing)
        packs = list(writer.finish())
    sent = iter(made)
    blocks = [(next(sent), None) if each is None else each for each in plan.blocks]
    manifest = Manifest(
        push=push.salt.hex(), files=plan.files, blocks=_renumber(blocks, packs), packs=tuple(packs),
        tensors=snapshot.tensors, notes=snapshot.notes, links=snapshot.links, folders=snapshot.folders,
        chunker=snapshot.chunker, encryption=cipher.describe(packs), beside=plan.beside,
    )  # fmt: skip
    leaning = base_id if len(packs) > len(writer.packs) else None
    ref, extra = _put_manifest(repository, manifest, cipher)
    part = Part(ref, manifests.root_of(manifest), leaning, writer.shipped_bytes + extra, push.saved_at)
    return _write_part(push, repository, part, manifest)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The files with indices of their blocks; a block is named with its pack (None: one of this push), or None if missing.

    `missing` are those to send, in order.
    """

    files: tuple[manifests.File, ...]
    beside: tuple[manifests.File, ...]
    blocks: list[tuple[Block, PackRef | None] | None]
    missing: list[Missing]


def _plan(
    snapshot: Snapshot, known: Mapping[str, tuple[Block, PackRef]], sent: Mapping[str, Block], cipher: PushCipher
) -> _Plan:
    placed: dict[str, int] = {}
    blocks: list[tuple[Block, PackRef | None] | None] = []
    missing: list[Missing] = []
    files: list[manifests.File] = []
    beside: list[manifests.File] = []
    for taken, listed in ((snapshot, files), (snapshot.beside or _NOTHING, beside)):
        for source in taken.files:
            indices: list[int] = []
            for block in source.blocks:
                if block.digest not in placed:
                    placed[block.digest] = len(blocks)
                    name = cipher.name(block.digest)
                    if name in sent:
                        blocks.append((sent[name], None))
                    elif name in known and (listed is files or block.size_bytes >= OWN_BLOCK_BYTES):
                        blocks.append(known[name])  # small ones beside are sent: no checkpoint leans for them
                    else:
                        blocks.append(None)
                        missing.append(Missing(name, taken, source, block))
                indices.append(placed[block.digest])
            listed.append(source.file.model_copy(update={"blocks": tuple(indices)}))
    return _Plan(tuple(files), tuple(beside), blocks, missing)


def choose_base(repository: Repository, workload: str, view: LogView) -> tuple[CommitId | None, Manifest | None]:
    """The newest checkpoint whose manifest is whole and that no verifier found damaged. StoreError."""
    for accepted in reversed(view.in_order()):
        if repository.receipts.damaged(workload, accepted.slot):
            continue
        try:
            return accepted.what.id(), repository.shipped(accepted.where.manifest)
        except (DataCorrupt, KeyAbsent, KeyLocked):
            continue
        except StoreUnavailable:
            raise
        except StoreError:
            if repository.cipher.readable:
                raise
            return None, None  # a writer that may only create there, and does not remember: it sends all
    return None, None


def _renumber(blocks: list[tuple[Block, PackRef | None]], packs: list[PackRef]) -> tuple[Block, ...]:
    """Blocks with pack indices into `packs`, to which packs of the base are added as they are needed."""
    index = {pack.digest: n for n, pack in enumerate(packs)}
    renumbered: list[Block] = []
    for block, borrowed in blocks:
        if borrowed is None:
            renumbered.append(block)
            continue
        if borrowed.digest not in index:
            index[borrowed.digest] = len(packs)
            packs.append(borrowed)
        renumbered.append(block._replace(pack=index[borrowed.digest]))
    return tuple(renumbered)


def _put_manifest(repository: Repository, manifest: Manifest, cipher: PushCipher) -> tuple[PackRef, int]:
    encoded = manifests.encode(manifest)
    stored = cipher.manifest(encoded)
    ref = PackRef(digest=digest(stored), size_bytes=len(stored))
    sent = cipher.put(repository.store, manifest_key(ref.digest), stored)
    repository.cipher.remember(ref.digest, encoded)
    return ref, len(stored) if sent else 0


def _part_key(push: Push, rank: int) -> str:
    return f"parts/{push.workload}/{push.term:020d}/{push.attempt}/{push.step:020d}/{rank}"


def _write_part(push: Push, repository: Repository, part: Part, manifest: Manifest) -> Part:
    base = Id(term=part.base.term, height=part.base.height).model_dump() if part.base else None
    key = _part_key(push, push.rank)
    body: dict[str, object] = {
        "workload": push.workload, "term": push.term, "attempt": push.attempt, "step": push.step,
        "rank": push.rank, "world": push.world, "manifest": part.manifest.model_dump(), "root": part.root,
        "base": base, "shipped_bytes": part.shipped_bytes, "saved_at": part.saved_at,
    }  # fmt: skip
    told = repository.cipher.for_peers(manifests.encode(manifest), key) if push.world > 1 else None
    if told is not None:
        body["sealed"] = told
    claim(repository.store, key, repository.notary.seal(body, "part"))
    stands = _read_part(push, repository, push.rank)
    return stands if stands is not None else part


def _read_part(push: Push, repository: Repository, rank: int) -> Part | None:
    key = _part_key(push, rank)
    try:
        body = repository.notary.open(repository.store.get(key), key, kind="part").payload
    except KeyMissing:
        return None
    try:
        if (body["attempt"], body["step"], body["world"]) != (push.attempt, push.step, push.world):
            raise RecordCorrupt(f"{key}: is of another attempt, step or world size")
        if "sealed" in body and not repository.cipher.readable:
            told = repository.cipher.from_peer(str(body["sealed"]), key)
            repository.cipher.remember(PackRef.model_validate(body["manifest"]).digest, told)
        return Part(
            PackRef.model_validate(body["manifest"]),
            str(body["root"]),
            Id.model_validate(body["base"]).key() if body["base"] else None,
            int(body["shipped_bytes"]),
            float(body["saved_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordCorrupt(f"{key}: not a part: {error}") from error


def _commit(push: Push, parts: list[Part], repository: Repository) -> Accepted:
    try:
        manifest = merge([repository.shipped(part.manifest) for part in parts], push.salt.hex())
    except DataCorrupt:
        repository.log(push.workload).require_open(push.term)  # what a writer that was replaced sent may be swept away
        raise
    if not manifest.files:
        raise CheckpointTorn(f"{push.workload}: step {push.step} has no file")
    ref = parts[0].manifest
    if len(parts) > 1:
        cipher = repository.cipher.begin(push.workload, push.salt + push.rank.to_bytes(4, "big"))
        cipher.lean(manifest)
        manifest = manifest.model_copy(update={"encryption": cipher.describe(manifest.packs)})
        ref = _put_manifest(repository, manifest, cipher)[0]
    parent = push.parent
    what = What(
        workload=push.workload, name=push.name, term=push.term, height=push.height, step=push.step, attempt=push.attempt,
        root=manifests.root_of(manifest), size_bytes=sum(file.size_bytes for file in manifest.files),
        files=len(manifest.files), saved_at=max(part.saved_at for part in parts),
        parent=Id(term=parent.term, height=parent.height) if parent else None, counter=push.counter,
        findings=push.findings, beside=manifests.root(manifest.beside) if manifest.beside else None,
        versions=push.versions, point=push.point,
    )  # fmt: skip
    bases = [part.base for part in parts if part.base is not None]
    base = Id(term=min(bases).term, height=min(bases).height) if bases else None
    where = Where(
        manifest=ref, packs=manifest.packs, base=base, shipped_bytes=sum(part.shipped_bytes for part in parts),
        keys=manifest.keys(),
    )  # fmt: skip

    def placed(view: LogView) -> Where:
        """An entry names one base; the ranks' may be several, and all of them have to stand below the slot."""
        for each in sorted(set(bases)):
            if each not in view.accepted:
                raise BaseGone(f"{what.id()} leans on {each}, which does not stand any more")
        return where

    return repository.log(push.workload).commit(what, placed, term=push.term)


def merge(parts: list[Manifest], push: str) -> Manifest:
    """One manifest of all ranks' files, made by the push with that salt (hex).

    DataCorrupt if two ranks shipped a file of the same name with other contents.
    """
    files: dict[str, manifests.File] = {}
    beside: dict[str, manifests.File] = {}
    blocks: list[Block] = []
    packs: list[PackRef] = []
    links = {link.path: link for part in parts for link in part.links}
    folders = {folder.path: folder for part in parts for folder in part.folders}
    for part in parts:
        first_block, first_pack = len(blocks), len(packs)
        blocks.extend(block._replace(pack=block.pack + first_pack) for block in part.blocks)
        packs.extend(part.packs)
        for found, listed in ((part.files, files), (part.beside, beside)):
            for file in found:
                moved = file.model_copy(update={"blocks": tuple(index + first_block for index in file.blocks)})
                if file.path in listed and listed[file.path].digest != file.digest:
                    raise DataCorrupt(f"two ranks shipped {file.path} with different contents")
                listed.setdefault(file.path, moved)
    return Manifest(
        push=push, files=tuple(files[path] for path in sorted(files)), blocks=tuple(blocks), packs=tuple(packs),
        tensors=tuple(t for part in parts for t in part.tensors), notes=tuple(n for part in parts for n in part.notes),
        links=tuple(links[path] for path in sorted(links)),
        folders=tuple(folders[path] for path in sorted(folders) if path not in files),
        chunker=next((part.chunker for part in parts if part.chunker is not None), None),
        encryption=_merged([part.encryption for part in parts if part.encryption is not None]),
        beside=tuple(beside[path] for path in sorted(beside)),
    )  # fmt: skip


def _merged(parts: list[manifests.Encryption]) -> manifests.Encryption | None:
    if not parts:
        return None
    if len({(part.suite, part.workload, part.block_key) for part in parts}) > 1:
        raise DataCorrupt(
            "ranks pushed with different writer keys", hint="Give all ranks of a workload one writer key."
        )
    return parts[0].model_copy(update={"packs": tuple(pack for part in parts for pack in part.packs)})
