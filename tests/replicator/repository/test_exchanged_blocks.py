"""A store that exchanges two blocks of one size is found out before anything of the checkpoint appears."""

from __future__ import annotations

import pytest

from replicator.errors import DataCorrupt
from replicator.repository.packs import pack_key
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.verify import check_decoded, check_stored
from tests.replicator.crypto.rig import Family, altered
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository


@pytest.fixture(params=["plain", "encrypted"])
def hands(request, tmp_path):
    """Who writes, and who reads."""
    if request.param == "plain":
        there = repository()
        return there, there
    family = Family(tmp_path / "family")
    return family.hand("writer", memory="writer"), family.hand("operator", "verifier")


def exchanged(stored, one, other):
    """The pack with two of its blocks in each other's place."""
    assert one.stored_bytes == other.stored_bytes
    bent = bytearray(stored)
    for to, source in ((one, other), (other, one)):
        bent[to.offset : to.offset + to.stored_bytes] = stored[source.offset : source.offset + source.stored_bytes]
    assert len(bent) == len(stored)
    return bytes(bent)


def test_two_blocks_exchanged_in_the_store_are_found_and_nothing_is_restored(hands, tmp_path, monkeypatch):
    cut_every(50_000, monkeypatch)
    writer, reader = hands
    shipped = ship(push(1, 10), checkpoint(tmp_path / "ck", 10, size=200_000), writer)
    manifest = reader.manifest(shipped.where.manifest)
    one, other = [block for block in manifest.blocks if block.size_bytes == 50_000][:2]
    assert one.pack == other.pack
    key = pack_key(manifest.packs[one.pack].digest)
    with altered(reader.store, key, exchanged(reader.store.get(key), one, other)):
        with pytest.raises(DataCorrupt, match=r"pack [0-9a-f]{64}, byte [0-9]+"):
            restore(reader, shipped, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert check_stored(reader, shipped).ok  # sizes are right: only who reads finds it
        assert not check_decoded(reader, shipped).ok
    restore(reader, shipped, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "ck")
