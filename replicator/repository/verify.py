"""A verifier's work: are the bytes of a commit there (`stored`), and do they decode to what it says (`decoded`)?

What was found is written as receipts; a failure is written too, and outweighs an earlier ok.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DataCorrupt, KeyMissing
from replicator.repository.beside import read_pieces, require_beside
from replicator.repository.ladder import Ladder
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.risk import facts_of, ranked

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from replicator.log.replay import Accepted
    from replicator.model import Level
    from replicator.repository.receipts import Said
    from replicator.repository.repository import Repository
    from replicator.repository.risk import Risk


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    ok: bool
    reason: str | None


def check_stored(repository: Repository, accepted: Accepted) -> Verdict:
    """Manifest and every pack are there, each with the size that the commit names."""
    where = accepted.where
    wanted = [(manifest_key(where.manifest.digest), where.manifest.size_bytes)]
    wanted += [(pack_key(pack.digest), pack.size_bytes) for pack in where.packs]
    for key, size_bytes in wanted:
        try:
            found = repository.store.size(key)
        except KeyMissing:
            return Verdict("stored", ok=False, reason=f"{key} is missing")
        if found != size_bytes:
            return Verdict("stored", ok=False, reason=f"{key} has {found} bytes, not {size_bytes}")
    lacking = repository.cipher.missing_keys(where.keys)
    return Verdict("stored", ok=lacking is None, reason=lacking)


def check_decoded(repository: Repository, accepted: Accepted, progress: Callable[[int], None] | None = None) -> Verdict:
    """Every file, read back block by block, has the digest that the commit vouches for. StoreUnavailable."""
    try:
        ladder = Ladder([(repository, accepted)])
        require_beside(ladder.manifest, accepted)
        for file in ladder.manifest.beside:
            for plain in read_pieces(repository, ladder.manifest, file):
                if progress is not None:
                    progress(len(plain))
        for file in ladder.manifest.files:
            whole = blake3()
            for unit in ladder.units(file):
                plain = ladder.read(unit)
                whole.update(plain)
                if progress is not None:
                    progress(len(plain))
            if whole.hexdigest() != file.digest:
                raise DataCorrupt(f"{file.path} is not what its commit says")
    except DataCorrupt as error:
        return Verdict("decoded", ok=False, reason=str(error))
    return Verdict("decoded", ok=True, reason=None)


def verify(
    repository: Repository,
    workload: str,
    accepted: Accepted,
    verifier: str,
    progress: Callable[[int], None] | None = None,
    *,
    repaired: bool = False,
) -> tuple[Verdict, ...]:
    """Check both levels and write the receipts; `decoded` only where the keys at hand can read.

    `repaired`: take back what others found before, if all is well now.
    """
    verdicts = (check_stored(repository, accepted),)
    if repository.cipher.readable:
        verdicts += (check_decoded(repository, accepted, progress),)
    well = all(verdict.ok for verdict in verdicts)
    if not well and (now := encoded_anew(repository, workload, accepted)) is not None:
        return verify(repository, workload, now, verifier, progress, repaired=repaired)
    others = repository.receipts.failed(workload, accepted.slot) if repaired and well else []
    for verdict in verdicts:
        back = [each for each in others if verdict.level == "decoded" and each.level != "proved"]
        say(repository, workload, accepted, verifier, verdict, takes_back=back)
    return verdicts


def encoded_anew(repository: Repository, workload: str, accepted: Accepted) -> Accepted | None:
    """The checkpoint as it is now, where a compaction replaced its encoding since it was looked up.

    What is missing of the old one is no damage.
    """
    now = repository.log(workload).view().accepted.get(accepted.what.id())
    return now if now is not None and now.where != accepted.where else None


def say(
    repository: Repository,
    workload: str,
    accepted: Accepted,
    verifier: str,
    verdict: Verdict,
    *,
    takes_back: Sequence[Said] = (),
) -> None:
    """Write the receipt."""
    repository.receipts.write(
        workload, accepted.slot, verdict.level, verifier, record=repository.log(workload).slot(accepted.slot).digest,
        ok=verdict.ok, reason=verdict.reason, takes_back=takes_back,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sampled:
    """`blocks` of all its `of` were read; `reason` says what the first one that failed is."""

    risk: Risk
    blocks: int
    of: int
    size_bytes: int
    reason: str | None


def sample(
    repository: Repository,
    workload: str,
    share: float,
    verifier: str,
    dice: random.Random,
    progress: Callable[[int], None] | None = None,
) -> list[Sampled]:
    """Read about `share` (0 to 1) of all bytes: blocks drawn by `dice`, more of the checkpoints at more risk.

    All sizes are compared, and at least one block of each is read. A sample never makes a level hold; what it finds
    damaged gets a failed receipt.
    """
    view = repository.log(workload).view()
    by_slot = {accepted.slot: accepted for accepted in view.in_order()}
    risks = ranked(facts_of(repository, workload))
    total = sum(each.score for each in risks) or 1.0
    budget = share * sum(each.facts.size_bytes for each in risks)
    found: list[Sampled] = []
    for each in risks:
        accepted, part = by_slot[each.facts.slot], budget * each.score / total
        found.append(_sampled(repository, workload, accepted, each, part, verifier, dice, progress))
    return found


def _sampled(
    repository: Repository,
    workload: str,
    accepted: Accepted,
    risk: Risk,
    budget: float,
    verifier: str,
    dice: random.Random,
    progress: Callable[[int], None] | None,
) -> Sampled:
    read = done = of = 0
    there = check_stored(repository, accepted)
    if not there.ok and (now := encoded_anew(repository, workload, accepted)) is not None:
        return _sampled(repository, workload, now, risk, budget, verifier, dice, progress)
    if not there.ok:
        say(repository, workload, accepted, verifier, there)
        return Sampled(risk, 0, 0, 0, there.reason)
    reason: str | None = None
    try:
        ladder = Ladder([(repository, accepted)])
        units = [unit for file in ladder.manifest.files for unit in ladder.singles(file)]
        of = len(units)
        for unit in dice.sample(units, of):
            if read and done >= budget:
                break
            plain = ladder.read(unit)
            read, done = read + 1, done + len(plain)
            if progress is not None:
                progress(len(plain))
    except DataCorrupt as error:
        if (now := encoded_anew(repository, workload, accepted)) is not None:
            return _sampled(repository, workload, now, risk, budget, verifier, dice, progress)
        reason = str(error)
        say(repository, workload, accepted, verifier, Verdict("decoded", ok=False, reason=reason))
    return Sampled(risk, read, of, done, reason)
