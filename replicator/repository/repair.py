"""Making a repository whole again from peers: the log, receipts, manifests and packs.

Packs and manifests are named by their content, so that a damaged one may be removed and created anew under its key: no
reader can ever see two right values there, only a wrong one, none, and the right one, and it checks what it reads. It is
removed only with the right bytes in hand and after it read wrong twice (docs/operations/repair.md says why that is safe).
What no peer has byte for byte is made again out of the plaintext that peers have, and counts only if its digest is right
(encrypted: under the key and nonces that it had, which only then are used for what they were used for). A checkpoint that
still does not read back is stored anew from a peer that has it whole: *what* stays as its writer signed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.codec.plain import encode
from replicator.errors import DataCorrupt, KeyMissing, ReplicatorError, StoreError
from replicator.log.claim import claim
from replicator.log.records import digest
from replicator.repository.ladder import Ladder
from replicator.repository.mirror import PutBack, put_back_log, put_back_receipts
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.reading import open_block
from replicator.repository.renew import renew
from replicator.repository.scrub import fault, needed
from replicator.repository.verify import verify
from replicator.retention.grace import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from replicator.log.replay import Accepted
    from replicator.repository.heads import Head
    from replicator.repository.ladder import Unit
    from replicator.repository.manifest import Block, Manifest
    from replicator.repository.repository import Repository

Needed = dict[str, tuple[str, "list[tuple[str, Accepted]]"]]


@dataclass(frozen=True, slots=True)
class Found:
    objects: Needed
    """All that are needed."""
    bad: dict[str, str]
    """By key why one is damaged or missing."""
    doubted: frozenset[tuple[str, int]]
    """(workload, slot) of every checkpoint of which some verifier says that it failed."""


@dataclass(slots=True)
class Repaired:
    """By key what was done (`copied from URL`, `made again`), and why what is left could not be."""

    examined: int = 0
    repaired: dict[str, str] = field(default_factory=dict[str, str])
    renewed: dict[str, str] = field(default_factory=dict[str, str])
    """By `WORKLOAD TERM.HEIGHT` what was stored anew, and from where."""
    left: dict[str, str] = field(default_factory=dict[str, str])
    lost: dict[str, str] = field(default_factory=dict[str, str])
    """By `WORKLOAD TERM.HEIGHT` why what does not read back could not be stored anew."""
    whole: list[str] = field(default_factory=list[str])
    """Commits that needed what was repaired and were read back well."""
    log: dict[str, PutBack] = field(default_factory=dict[str, PutBack])


def repair_logs(
    repository: Repository, mirrors: Sequence[Repository], known: Callable[[str], Iterable[Head]]
) -> dict[str, PutBack]:
    """Put back records and receipts from peers that are copies of the same repository (one id in `format.json`)."""
    ours = repository.format().repository
    done: dict[str, PutBack] = {}
    for mirror in mirrors:
        if mirror.format().repository != ours:
            continue
        for workload in mirror.workloads():
            slots = put_back_log(repository.store, mirror.store, workload, known(workload), repository.notary)
            receipts = put_back_receipts(repository.store, mirror.store, workload, repository.notary)
            if slots or receipts:
                each = done.setdefault(workload, PutBack())
                each.slots += slots
                each.receipts += receipts
    return done


def find_damage(
    repository: Repository, *, full: bool, suspected: Iterable[str] = (), progress: Callable[[int], None] | None = None
) -> Found:
    """Sizes of all objects are compared; read are those of doubted checkpoints, `suspected` keys, or with `full` all."""
    objects = needed(repository)
    doubted = _doubted(repository, objects)
    sizes = {
        key: size
        for _, needers in objects.values()
        for _, accepted in needers
        for key, size in _sizes(accepted).items()
    }
    read = set(suspected) | {
        key for key, (_, needers) in objects.items() if any((by, each.slot) in doubted for by, each in needers)
    }
    bad: dict[str, str] = {}
    for key, (name, _) in objects.items():
        try:
            short = repository.store.size(key) != sizes[key]
        except KeyMissing:
            bad[key] = f"{key} is missing"
            continue
        if full or short or key in read:
            why, size = fault(repository, key, name)
            if progress is not None:
                progress(size)
            if why is not None:
                bad[key] = why
    return Found(objects, bad, doubted)


def repair(
    repository: Repository,
    peers: Sequence[Repository],
    verifier: str,
    *,
    full: bool = False,
    suspected: Iterable[str] = (),
    grace_s: float = GRACE_S,
    progress: Callable[[int], None] | None = None,
) -> Repaired:
    """Put back what is damaged or missing; then read back every checkpoint that needed it, with receipts. TooNew.

    `grace_s`: how long the bytes stay of an encoding that was given up.
    """
    for workload in repository.workloads():
        repository.log(workload).require_writer()
    found = find_damage(repository, full=full, suspected=suspected, progress=progress)
    done = Repaired(examined=len(found.objects))
    for key in sorted(found.bad, key=lambda key: (not key.startswith("manifests/"), key)):
        name, needers = found.objects[key]
        try:
            body, how = _right_bytes(repository, peers, key, name, needers)
            _put(repository, key, body)
            done.repaired[key] = how
        except (DataCorrupt, StoreError) as error:
            done.left[key] = str(error)
    unwell: list[tuple[str, Accepted]] = []
    for workload, accepted in _to_read_back(found, done):
        if all(verdict.ok for verdict in verify(repository, workload, accepted, verifier, repaired=True)):
            done.whole.append(_named(workload, accepted))
        else:
            unwell.append((workload, accepted))
    for workload, accepted in unwell:
        _renew(repository, peers, workload, accepted, verifier, grace_s, done)
    still = needed(repository) if done.renewed else found.objects
    done.left = {key: why for key, why in done.left.items() if key in still}
    return done


def _named(workload: str, accepted: Accepted) -> str:
    return f"{workload} {accepted.what.id()}"


def _to_read_back(found: Found, done: Repaired) -> list[tuple[str, Accepted]]:
    """Checkpoints that need what was damaged, or of which a verifier said that they are."""
    touched = {*done.repaired, *done.left}
    unsure = {
        (workload, accepted.slot): accepted
        for key, (_, needers) in found.objects.items()
        for workload, accepted in needers
        if key in touched or (workload, accepted.slot) in found.doubted
    }
    return [(workload, accepted) for (workload, _), accepted in sorted(unsure.items(), key=lambda item: item[0])]


def _renew(
    repository: Repository,
    peers: Sequence[Repository],
    workload: str,
    accepted: Accepted,
    verifier: str,
    grace_s: float,
    done: Repaired,
) -> None:
    """Store the checkpoint anew from the first peer that has it whole; why not, if none has or it may not be."""
    name, trouble = _named(workload, accepted), list[str]()
    for peer in peers:
        try:
            renew(repository, peer, workload, accepted, grace_s=grace_s)
        except ReplicatorError as error:
            trouble.append(f"{peer.store.url}: {error}")
            continue
        done.renewed[name] = f"stored anew from {peer.store.url}"
        if all(verdict.ok for verdict in verify(repository, workload, accepted, verifier, repaired=True)):
            done.whole.append(name)
        return
    done.lost[name] = "; ".join(trouble) or "no peer was given"


def _sizes(accepted: Accepted) -> dict[str, int]:
    where = accepted.where
    return {
        manifest_key(where.manifest.digest): where.manifest.size_bytes,
        **{pack_key(pack.digest): pack.size_bytes for pack in where.packs},
    }


def _doubted(repository: Repository, objects: Needed) -> frozenset[tuple[str, int]]:
    told = {(workload, accepted.slot) for _, needers in objects.values() for workload, accepted in needers}
    return frozenset(each for each in told if repository.receipts.damaged(*each))


def _right_bytes(
    repository: Repository, peers: Sequence[Repository], key: str, name: str, needers: list[tuple[str, Accepted]]
) -> tuple[bytes, str]:
    """The object's bytes and where they came from. DataCorrupt if nobody has them."""
    trouble: list[str] = []
    for peer in peers:
        try:
            body = peer.store.get(key)
        except StoreError as error:
            if not isinstance(error, KeyMissing):
                trouble.append(str(error))
            continue
        if digest(body) == name:
            return body, f"copied from {peer.store.url}"
        trouble.append(f"{peer.store.url}: {key} is damaged there too")
    if key.startswith("packs/"):
        for workload, accepted in needers:
            try:
                return _made_again(repository, peers, workload, accepted, name), "made again"
            except ReplicatorError as error:
                trouble.append(str(error))
    raise DataCorrupt(f"{key}: no peer has it: {'; '.join(dict.fromkeys(trouble)) or 'nor its contents'}")


def _made_again(
    repository: Repository, peers: Sequence[Repository], workload: str, accepted: Accepted, name: str
) -> bytes:
    """The pack out of what is still right of it and of its blocks' plaintexts at peers. DataCorrupt."""
    manifest = repository.manifest(accepted.where.manifest)
    index = next(n for n, pack in enumerate(manifest.packs) if pack.digest == name)
    size = manifest.packs[index].size_bytes
    ladder = _peers_ladder(peers, workload, accepted)
    places = _places(ladder, {block.digest for block in manifest.blocks if block.pack == index})
    try:
        body = bytearray(repository.store.get(f"packs/{name[:2]}/{name}")[:size])
    except KeyMissing:
        body = bytearray()
    body += bytes(size - len(body))
    for block in manifest.blocks:
        if block.pack != index or _is_right(
            repository, manifest, block, bytes(body[block.offset : block.offset + block.stored_bytes])
        ):
            continue
        plain = _plain(ladder, places, block)
        coder, encoded = encode(plain)
        stored = repository.cipher.block_again(manifest, block, encoded)
        if coder != block.coder or len(stored) != block.stored_bytes:
            raise DataCorrupt(f"pack {name}: a block is encoded otherwise now than it was")
        body[block.offset : block.offset + block.stored_bytes] = stored
    begins = min(block.offset for block in manifest.blocks if block.pack == index)
    for head in (bytes(body[:begins]), *repository.cipher.heads_again(manifest, index)):
        body[: len(head)] = head
        if digest(bytes(body)) == name:
            return bytes(body)
    raise DataCorrupt(f"pack {name}: made again it has another digest; it held more than {accepted.what.id()} names")


def _is_right(repository: Repository, manifest: Manifest, block: Block, stored: bytes) -> bool:
    try:
        open_block(repository, manifest, block, stored)
    except DataCorrupt:
        return False
    return True


def _peers_ladder(peers: Sequence[Repository], workload: str, accepted: Accepted) -> Ladder:
    what = accepted.what
    copies: list[tuple[Repository, Accepted]] = []
    for peer in peers:
        copy = peer.log(workload).view().accepted.get(what.id())
        if copy is not None and copy.what.root == what.root:
            copies.append((peer, copy))
    if not copies:
        raise DataCorrupt(f"no peer holds {workload} {what.id()}")
    return Ladder(copies)


def _places(ladder: Ladder, wanted: set[str]) -> dict[str, Unit]:
    """By block digest, where in the checkpoint's files a peer has it."""
    found: dict[str, Unit] = {}
    for file in ladder.manifest.files:
        for unit in ladder.singles(file):
            name = ladder.manifest.blocks[unit.blocks[0]].digest
            if name in wanted:
                found.setdefault(name, unit)
    return found


def _plain(ladder: Ladder, places: dict[str, Unit], block: Block) -> bytes:
    if block.digest not in places:
        raise DataCorrupt(f"no peer cuts {ladder.what.id()} into the same blocks")
    return ladder.read(places[block.digest])


def _put(repository: Repository, key: str, body: bytes) -> None:
    """Create the object, after removing what is wrong there. Only what was read, and is wrong, is removed."""
    store = repository.store
    try:
        there = store.get(key)
    except KeyMissing:
        there = None
    if there == body:
        return
    if there is not None:
        store.delete(key)
    if not claim(store, key, body).ours:
        raise DataCorrupt(f"{store.url}: {key} still holds something else")
