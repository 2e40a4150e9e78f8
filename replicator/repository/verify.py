"""A verifier's work: are the bytes of a commit there (`stored`), and do they decode to what it says (`decoded`)?

What was found is written as receipts; a failure is written too, and outweighs an earlier ok.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DataCorrupt, KeyMissing
from replicator.repository import manifest as manifests
from replicator.repository.beside import require_beside
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.restore import read_block

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.model import Level
    from replicator.repository.repository import Repository


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
    return Verdict("stored", ok=True, reason=None)


def check_decoded(repository: Repository, accepted: Accepted) -> Verdict:
    """Every file, read back block by block, has the digest that the commit vouches for."""
    try:
        manifest = repository.manifest(accepted.where.manifest)
        if manifests.root(manifest.files) != accepted.what.root:
            raise DataCorrupt("the manifest lists other files than the commit")
        require_beside(manifest, accepted)
        for file in (*manifest.files, *manifest.beside):
            whole = blake3()
            for index in file.blocks:
                whole.update(read_block(repository, manifest, manifest.blocks[index]))
            if whole.hexdigest() != file.digest:
                raise DataCorrupt(f"{file.path} is not what its commit says")
    except DataCorrupt as error:
        return Verdict("decoded", ok=False, reason=str(error))
    return Verdict("decoded", ok=True, reason=None)


def verify(repository: Repository, workload: str, accepted: Accepted, verifier: str) -> tuple[Verdict, ...]:
    """Check both levels and write the receipts."""
    verdicts = (check_stored(repository, accepted), check_decoded(repository, accepted))
    record = repository.log(workload).slot(accepted.slot).digest
    for verdict in verdicts:
        repository.receipts.write(
            workload, accepted.slot, verdict.level, verifier, record=record, ok=verdict.ok, reason=verdict.reason
        )
    return verdicts
