"""Carrying a checkpoint from one repository of a site into another, and letting go of it where it was.

It keeps its signed *what* and its (term, height); packs, keys and manifest are the target's own. Invariants: what is
committed there was read back there first; it is dropped here only where the target has it with its receipts.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from replicator.codec.plain import encode
from replicator.errors import BaseGone, DataCorrupt, HeightTaken, KeyAbsent, KeyLocked, NotOpen, Sealed
from replicator.log.entries import Commit, Drop, Pin
from replicator.log.naming import names
from replicator.log.records import digest
from replicator.model import Id, PackRef, Where
from replicator.repository import manifest as manifests
from replicator.repository.beside import require_beside
from replicator.repository.packs import PackWriter, manifest_key
from replicator.repository.reading import PackReader
from replicator.repository.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId, Level
    from replicator.repository.cipher import PushCipher
    from replicator.repository.manifest import Block, Manifest
    from replicator.repository.repository import Repository


DEMANDED: tuple[Level, ...] = ("stored", "decoded")


def copy(
    source: Repository,
    target: Repository,
    workload: str,
    accepted: Accepted,
    verifier: str,
    *,
    progress: Callable[[int], None] | None = None,
) -> bool:
    """Whether `target` holds the checkpoint now, read back, with receipts. False if it is damaged there: it is told.

    NotOpen, Sealed where the target takes no commit; HeightTaken, BaseGone, DataCorrupt, KeyAbsent, StoreUnavailable.
    """
    log = target.log(workload)
    log.require_writer()
    view = _opened(source, target, workload)
    if not view.writable:
        raise NotOpen(f"{target.store.url}: {workload} takes no commit now")
    there = view.accepted.get(accepted.what.id())
    if there is None:
        where = send_copy(source, target, view, accepted, progress)
        term = view.term
        log.append(lambda now: _decide(now, accepted, where, term))
        there = log.view().accepted[accepted.what.id()]
    if there.what != accepted.what:
        raise HeightTaken(f"{target.store.url}: {accepted.what.id()} is another checkpoint there")
    return all(verdict.ok for verdict in verify(target, workload, there, verifier))


def _opened(source: Repository, target: Repository, workload: str) -> LogView:
    """The target's view; a new one of no environment gets the source's `open` of term 1, as a first push gives it."""
    view, ours = target.log(workload).view(), source.log(workload).view()
    if view.slots == 0 and ours.term == 1 and ours.writable and ours.opened[1].assignment is None:
        target.log(workload).open(ours.opened[1])
        return target.log(workload).view()
    return view


def _decide(view: LogView, accepted: Accepted, where: Where, term: int) -> Commit | None:
    key = accepted.what.id()
    if not view.writable or view.term != term:
        raise Sealed(f"term {term} is over there")
    if key in view.accepted:
        return None
    base = where.base.key() if where.base else None
    if (base is not None and base not in view.accepted) or view.let_go & names(where):
        raise BaseGone(f"{key} leans on what does not stand there any more")
    return Commit(
        term=term, what=accepted.what, where=where, signatures=accepted.signatures, again=view.dropped_in.get(key)
    )


def send_copy(
    source: Repository,
    target: Repository,
    view: LogView,
    accepted: Accepted,
    progress: Callable[[int], None] | None = None,
    *,
    lean: bool = True,
) -> Where:
    """Packs and manifest in the target; with `lean`, blocks that its newest checkpoint has are named, not sent.

    `accepted` is as `source` has it. DataCorrupt, KeyAbsent, StoreUnavailable.
    """
    old = source.manifest(accepted.where.manifest)
    if manifests.root_of(old) != accepted.what.root:
        raise DataCorrupt(f"the manifest of {accepted.what.id()} lists other files than its commit")
    require_beside(old, accepted)
    salt = secrets.token_bytes(16)
    cipher = _cipher(source, target, old, salt + bytes(4))
    base = _base(target, view, cipher, old) if lean else None
    known = {block.digest: (block, base[1].packs[block.pack]) for block in base[1].blocks} if base else {}
    reader = PackReader(source, old)
    placed: list[tuple[Block, PackRef | None]] = []
    with PackWriter(target.store, cipher) as writer:
        for block in old.blocks:
            if block.digest in known:
                placed.append(known[block.digest])
                continue
            plain = reader.block(block)
            placed.append((writer.add(block.digest, len(plain), *encode(plain)), None))
            if progress is not None:
                progress(block.size_bytes)
        packs = list(writer.finish())
    index = {pack.digest: n for n, pack in enumerate(packs)}
    blocks: list[Block] = []
    for block, borrowed in placed:
        if borrowed is not None and borrowed.digest not in index:
            index[borrowed.digest] = len(packs)
            packs.append(borrowed)
        blocks.append(block if borrowed is None else block._replace(pack=index[borrowed.digest]))
    changed = {"push": salt.hex(), "blocks": tuple(blocks), "packs": tuple(packs)}
    made = old.model_copy(update={**changed, "encryption": cipher.describe(packs)})
    stored = cipher.manifest(manifests.encode(made))
    ref = PackRef(digest=digest(stored), size_bytes=len(stored))
    cipher.put(target.store, manifest_key(ref.digest), stored)
    leans = base is not None and len(packs) > len(writer.packs)
    return Where(
        manifest=ref, packs=tuple(packs), base=Id(term=base[0].term, height=base[0].height) if base and leans else None,
        shipped_bytes=writer.shipped_bytes + len(stored), keys=made.keys(),
    )  # fmt: skip


def _cipher(source: Repository, target: Repository, old: Manifest, salt: bytes) -> PushCipher:
    if (old.encryption is None) != (target.format().suites.crypto == "none"):
        raise KeyAbsent(
            f"{source.store.url} and {target.store.url} are not encrypted alike",
            hint="Make both tiers with the same keys: replicator init --keys FOLDER",
        )
    return target.cipher.anew(old.model_copy(update={"packs": (), "encryption": _no_packs(old)}), salt)


def _no_packs(old: Manifest) -> manifests.Encryption | None:
    return None if old.encryption is None else old.encryption.model_copy(update={"packs": ()})


def _base(target: Repository, view: LogView, cipher: PushCipher, old: Manifest) -> tuple[CommitId, Manifest] | None:
    """The target's newest whole checkpoint whose blocks have the same ids."""
    for each in reversed(view.in_order()):
        try:
            found = target.manifest(each.where.manifest)
        except (DataCorrupt, KeyAbsent, KeyLocked):
            continue
        return (
            (each.what.id(), found)
            if (found.encryption is None) == (old.encryption is None) and cipher.lean(found)
            else None
        )
    return None


def let_go(source: Repository, target: Repository, workload: str, key: CommitId, *, grace_s: float) -> bool:
    """Drop it from `source` by winning a slot, while a pin holds it in `target`. Whether it was dropped.

    Not if it is pinned here, or the target does not hold the same with its receipts. KeyAbsent, Sealed, StoreUnavailable.
    """
    theirs = target.log(workload)
    for log in (theirs, source.log(workload)):
        log.require_writer()
    there, here = theirs.view().accepted.get(key), source.log(workload).view().accepted.get(key)
    if there is None or here is None or there.what != here.what:
        return False
    term, name = theirs.view().term, f"{_moved(source)}{source.token()[:16]}"
    theirs.pin(name, key, reason=f"{source.name} lets go of it", term=term)
    try:
        if not all(target.receipts.levels(workload, there.slot, DEMANDED).values()):
            return False
        return (
            source.log(workload).append(lambda view: _drop(view, key, target.name, source.clock() + grace_s))
            is not None
        )
    finally:
        theirs.unpin(name, term=term)


def _moved(source: Repository) -> str:
    return f"moved-{source.name}-"


def unpin_moved(source: Repository, target: Repository, workload: str) -> None:
    """Let go of pins in `target` that a killed mover left, of what `source` has let go of since."""
    ours, theirs = source.log(workload).view(), target.log(workload)
    view = theirs.view()
    for name, key in sorted(view.pins.items()):
        if name.startswith(_moved(source)) and key not in ours.accepted and view.writable:
            theirs.unpin(name, term=view.term)


def _drop(view: LogView, key: CommitId, target: str, after: float) -> Drop | None:
    if not view.writable or key not in view.accepted or key in view.pins.values():
        return None
    commits = (Id(term=key.term, height=key.height),)
    return Drop(term=view.term, commits=commits, bytes_after=after, reason=f"moved to {target}")


def reads_of(repository: Repository, workload: str) -> dict[CommitId, list[float]]:
    """When each commit was read here: restores, resumes, drills, proofs and promotions pin what they read; holds do not."""
    log = repository.log(workload)
    found: dict[CommitId, list[float]] = {}
    for n, entry in enumerate(log.entries(), 1):
        if isinstance(entry, Pin) and entry.name.startswith(("read-", "promotion-", "prove")):
            found.setdefault(entry.commit.key(), []).append(log.written_at(n))
    return found
