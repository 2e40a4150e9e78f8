"""A keeper that also reads signs a compaction whose every digest holds, and whose files are not those that the writer signed."""

from __future__ import annotations

import pytest

from replicator.errors import DataCorrupt
from replicator.log.entries import Compact
from replicator.log.records import digest
from replicator.model import CommitId, Id, PackRef
from replicator.repository.manifest import Manifest, encode
from replicator.repository.packs import manifest_key
from replicator.repository.restore import restore
from replicator.repository.verify import check_decoded
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.test_compact import grow


def exchanged(manifest: Manifest) -> Manifest:
    """Every file's contents are another's, whole and right by their own digests."""
    names = [file.path for file in manifest.files]
    files = [
        file.model_copy(update={"path": name}) for file, name in zip(manifest.files, names[1:] + names[:1], strict=True)
    ]
    return manifest.model_copy(update={"files": tuple(files)})


def shortened(manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"files": manifest.files[1:]})


@pytest.mark.parametrize("forged", [exchanged, shortened])
def test_a_compaction_to_other_files_than_the_writer_signed_is_restored_by_nobody(tmp_path, forged):
    family = Family(tmp_path / "family")
    grow(family.hand("writer"), tmp_path, [1, 2])
    keeper = family.hand("keeper", "operator")
    there = keeper.log("gpt").view().accepted[CommitId(1, 2)]
    honest = keeper.manifest(there.where.manifest)
    cipher = keeper.cipher.anew(honest, b"")
    other = forged(honest).model_copy(update={"encryption": cipher.describe(honest.packs)})
    stored = cipher.manifest(encode(other))
    ref = PackRef(digest=digest(stored), size_bytes=len(stored))
    keeper.store.create(manifest_key(ref.digest), stored)
    where = there.where.model_copy(update={"manifest": ref, "keys": other.keys()})
    mine = Compact(term=1, commit=Id(term=1, height=2), where=where, reason="mine")
    keeper.log("gpt").append(lambda _: mine)
    reader = family.hand("escrow")
    seen = reader.log("gpt").view().accepted[CommitId(1, 2)]
    assert (seen.where.manifest, seen.what, seen.signatures) == (ref, there.what, there.signatures)
    assert reader.manifest(ref).files == other.files
    with pytest.raises(DataCorrupt, match="lists other files than its commit"):
        restore(reader, seen, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert not check_decoded(reader, seen).ok
