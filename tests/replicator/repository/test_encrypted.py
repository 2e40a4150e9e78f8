"""An encrypted repository: recipients read it, writers do not, and nobody else learns or changes anything."""

from __future__ import annotations

import json

import numpy as np
import pytest

from replicator.crypto import vault
from replicator.errors import DataCorrupt, KeyAbsent, RepositoryUnknown, StoreError, Untrusted
from replicator.log.records import canonical, digest
from replicator.model import CommitId
from replicator.repository.manifest import encode
from replicator.repository.packs import pack_key
from replicator.repository.pinning import pinned
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.stores.faults import FaultyStore
from tests.replicator.crypto.rig import Family, altered, ring
from tests.replicator.repository.rig import Killed, checkpoint, contents, memory_store, push

EVERYTHING = ("log", "parts", "packs", "manifests", "keys", "receipts")


@pytest.fixture
def family(tmp_path):
    return Family(tmp_path / "family")


@pytest.fixture
def shipped(family, tmp_path):
    """A checkpoint that a writer shipped who holds no other key."""
    writer = family.hand("writer", memory="writer")
    return ship(push(1, 10), checkpoint(tmp_path / "step-10", 10), writer)


class MayOnlyCreate:
    """A store that refuses reads of packs, manifests and keys, and sizes."""

    def __init__(self):
        self.refused = 0

    def before(self, verb, key):
        if verb in ("get", "size") and key.startswith(("packs/", "manifests/", "keys/")):
            self.refused += 1
            raise StoreError(f"{key}: 403 AccessDenied")

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


def test_a_writer_that_may_only_create_and_remembers_nothing_sends_a_keyframe(family, shipped, tmp_path):
    rights = MayOnlyCreate()
    writer = family.hand("writer", store=FaultyStore(family.store, rights))
    done = ship(push(2, 20, attempt="a2"), checkpoint(tmp_path / "step-20", 20), writer)
    assert rights.refused
    assert done.where.base is None
    reader = family.hand("operator")
    restore(reader, done, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-20")


def objects(store, folder: str) -> list[str]:
    return list(store.list(folder))


@pytest.mark.parametrize("recipient", ["operator", "escrow"])
def test_each_recipient_alone_restores_it_byte_for_byte(family, shipped, tmp_path, recipient):
    reader = family.hand(recipient)
    restore(reader, select(reader, "gpt", "latest"), tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-10")


def test_nobody_without_a_recipients_key_reads_it_and_the_error_names_who_could(family, shipped, tmp_path):
    for names in ((), ("writer", "keeper", "verifier", "promoter")):
        with pytest.raises(KeyAbsent, match=r"private key of no recipient \(operator, escrow\)"):
            restore(family.hand(*names), shipped, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_the_store_sees_nothing_of_the_contents(family, tmp_path):
    folder = tmp_path / "step-10"
    folder.mkdir()
    (folder / "model.secretname").write_bytes(b"THE SECRET WEIGHTS " * 20_000)
    snapshot = take_snapshot(folder, ["model.secretname"])
    ship(push(1, 10), snapshot, family.hand("writer"))
    everything = b"".join(family.store.get(key) for folder in EVERYTHING for key in objects(family.store, folder))
    block = snapshot.files[0].blocks[0].digest
    for told in (
        b"SECRET WEIGHTS",
        b"secretname",
        block.encode(),
        bytes.fromhex(block),
        snapshot.files[0].file.digest.encode(),
    ):
        assert told not in everything
    for name in ("writer", "operator", "escrow"):
        assert ring(family.keys).seed(name) not in everything


def test_every_object_is_named_by_what_is_stored_and_every_pack_has_a_key_of_its_own(family, tmp_path):
    writer = family.hand("writer")
    ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=40_000_000), writer)
    packs = objects(family.store, "packs")
    assert len(packs) > 2
    salts = set()
    for key in [*packs, *objects(family.store, "manifests")]:
        body = family.store.get(key)
        assert key.endswith(digest(body))
        magic = vault.PACK_MAGIC if key.startswith("packs") else vault.MANIFEST_MAGIC
        salts.add(vault.read_header(magic, body)[0]["salt"])
    assert len(salts) == len(packs) + 1


def test_a_block_is_sent_once_and_named_again_from_the_writers_own_memory(family, tmp_path):
    writer = family.hand("writer", memory="kept")
    first = ship(push(1, 10), checkpoint(tmp_path / "a", 10), writer)
    again = family.hand("writer", memory="kept")
    second = ship(push(2, 20, attempt="a2", salt=b"t" * 16), checkpoint(tmp_path / "b", 20), again)
    assert second.where.base.key() == CommitId(1, 1)
    assert second.where.shipped_bytes < first.where.shipped_bytes / 50
    assert set(first.where.packs) < set(second.where.packs)
    assert set(first.where.keys) < set(second.where.keys)
    reader = family.hand("escrow")
    restore(reader, second, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "b")


def test_a_writer_that_lost_its_memory_ships_a_keyframe(family, tmp_path):
    first = ship(push(1, 10), checkpoint(tmp_path / "a", 10), family.hand("writer", memory="kept"))
    second = ship(
        push(2, 20, attempt="a2", salt=b"t" * 16), checkpoint(tmp_path / "b", 20), family.hand("writer", memory="new")
    )
    assert second.where.base is None
    assert not set(first.where.packs) & set(second.where.packs)
    restore(family.hand("operator"), second, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "b")


def test_damaged_memory_is_no_memory(family, tmp_path):
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), family.hand("writer", memory="kept"))
    (remembered,) = [path for path in (family.folder / "kept").rglob("*") if path.is_file() and path.suffix == ""]
    assert remembered.stat().st_mode & 0o077 == 0
    body = bytearray(remembered.read_bytes())
    body[-1] ^= 1
    remembered.write_bytes(bytes(body))
    second = ship(
        push(2, 20, attempt="a2", salt=b"t" * 16), checkpoint(tmp_path / "b", 20), family.hand("writer", memory="kept")
    )
    assert second.where.base is None


def test_a_push_begun_again_after_the_part_was_written_commits_once_with_the_writers_key_alone(family, tmp_path):
    class DiesAt:
        """The store of a writer that is killed when it begins to write the log."""

        def __getattr__(self, name):
            return getattr(family.store, name)

        def create(self, key, body):
            if key.startswith("log/"):
                raise Killed
            family.store.create(key, body)

    snapshot = checkpoint(tmp_path / "a", 10)
    with pytest.raises(Killed):
        ship(push(1, 10), snapshot, family.hand("writer", store=DiesAt(), memory="kept"))
    before = objects(family.store, "packs")
    assert ship(push(1, 10), snapshot, family.hand("writer", memory="kept")) is not None
    assert objects(family.store, "packs") == before
    assert list(family.hand().log("gpt").view().accepted) == [CommitId(1, 1)]


def test_ranks_push_with_the_writers_key_alone_and_the_last_commits_all(family, tmp_path):
    parts = {}
    for rank in range(2):
        folder = tmp_path / f"rank-{rank}"
        folder.mkdir()
        (folder / f"shard-{rank}").write_bytes(np.random.default_rng(rank).bytes(200_000))
        parts[rank] = take_snapshot(folder, [f"shard-{rank}"])
    done = [ship(push(1, 10, rank=rank, world=2), parts[rank], family.hand("writer")) for rank in range(2)]
    assert done[0] is None
    assert done[1] is not None
    assert ship(push(1, 10, rank=0, world=2), parts[0], family.hand("writer")) == done[1]
    restore(family.hand("escrow"), done[1], tmp_path / "back")
    assert {name: body for name, (body, _, _) in contents(tmp_path / "back").items()} == {
        f"shard-{rank}": (tmp_path / f"rank-{rank}" / f"shard-{rank}").read_bytes() for rank in range(2)
    }


def test_every_changed_byte_of_a_pack_or_manifest_is_found(family, shipped, tmp_path):
    reader = family.hand("operator")
    for key in [*objects(family.store, "packs"), *objects(family.store, "manifests")]:
        body = family.store.get(key)
        start = vault.read_header(vault.PACK_MAGIC if key.startswith("packs") else vault.MANIFEST_MAGIC, body)[1]
        for at in (start, (start + len(body)) // 2, len(body) - 1):
            bent = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            with altered(family.store, key, bent), pytest.raises(DataCorrupt):
                restore(reader, shipped, tmp_path / "back")
            assert not (tmp_path / "back").exists()


def test_blocks_do_not_change_places(family, shipped, tmp_path):
    """Two blocks of one size, exchanged in their pack by whoever holds the store."""
    reader = family.hand("operator")
    manifest = reader.manifest(shipped.where.manifest)
    one = manifest.blocks[0]
    moved = manifest.model_copy(update={"blocks": (one._replace(offset=one.offset + 1), *manifest.blocks[1:])})
    stored = family.store.get_range(pack_key(manifest.packs[0].digest), one.offset, one.stored_bytes)
    assert reader.cipher.open_block(manifest, one, stored)
    with pytest.raises(DataCorrupt):
        reader.cipher.open_block(moved, moved.blocks[0], stored)
    for change in ({"digest": "0" * 64}, {"coder": "zstd" if one.coder == "raw" else "raw"}, {"size_bytes": 1}):
        with pytest.raises(DataCorrupt):
            reader.cipher.open_block(manifest, one._replace(**change), stored)
    other = manifest.encryption.model_copy(update={"workload": "other"})
    with pytest.raises(DataCorrupt):
        reader.cipher.open_block(manifest.model_copy(update={"encryption": other}), one, stored)


def test_a_wrapped_key_that_the_store_exchanged_is_found(family, shipped, tmp_path):
    reader = family.hand("operator")
    suite, trust = reader.cipher._suite, ring(family.keys).trust
    (key,) = shipped.where.keys
    name = vault.key_object(key, "operator")
    theirs = vault.PushKey.draw(suite)
    info = vault.wrapping_info(suite, trust.scope, key, "operator")
    wrapped = suite.wrap(trust.key("operator").public, theirs.secret, info)
    with altered(family.store, name, wrapped), pytest.raises(DataCorrupt, match="holds another key"):
        restore(family.hand("operator"), shipped, tmp_path / "back")
    escrows = family.store.get(vault.key_object(key, "escrow"))
    with altered(family.store, name, escrows), pytest.raises(DataCorrupt, match="not wrapped to this key"):
        restore(family.hand("operator"), shipped, tmp_path / "back")
    with altered(family.store, name, None), pytest.raises(KeyAbsent, match="is not wrapped to operator"):
        restore(family.hand("operator"), shipped, tmp_path / "back")


def test_another_manifest_under_the_commits_digest_is_refused_even_if_it_decrypts(family, shipped):
    reader = family.hand("operator")
    other = encode(reader.manifest(shipped.where.manifest).model_copy(update={"notes": ("forged",)}))
    bound = vault.Bound(reader.cipher._suite, "family-1", "gpt")
    key = vault.PushKey.of(bound.suite, reader.cipher.secret(shipped.where.keys[0]))
    (name,) = objects(family.store, "manifests")
    with (
        altered(family.store, name, vault.seal_manifest(bound, key, other)),
        pytest.raises(DataCorrupt, match="is not what its name says"),
    ):
        reader.manifest(shipped.where.manifest)


def test_a_verifier_without_a_recipients_key_says_what_it_can(family, shipped):
    blind = verify(family.hand("verifier"), "gpt", shipped, "west")
    assert [(v.level, v.ok) for v in blind] == [("stored", True)]
    seeing = verify(family.hand("verifier", "operator"), "gpt", shipped, "west")
    assert [(v.level, v.ok) for v in seeing] == [("stored", True), ("decoded", True)]
    assert family.hand().receipts.levels("gpt", shipped.slot, ("decoded",)) == {"decoded": True}


def test_a_checkpoint_whose_keys_are_gone_is_not_stored(family, shipped):
    name = vault.key_object(shipped.where.keys[0], "escrow")
    with altered(family.store, name, None):
        (verdict,) = verify(family.hand("verifier"), "gpt", shipped, "west")
    assert not verdict.ok
    assert "for operator only" in verdict.reason


def test_a_restore_without_a_key_that_may_pin_says_that_it_holds_none(family, shipped):
    with pinned(family.hand("operator"), "gpt", shipped, reason="test") as held:
        assert not held
    with pinned(family.hand("operator", "keeper"), "gpt", shipped, reason="test") as held:
        assert held


def test_packs_may_be_copied_between_repositories_of_a_family(family, shipped, tmp_path):
    other = memory_store()
    family.add(other)
    for folder in ("packs", "manifests", "keys"):
        for key in objects(family.store, folder):
            other.create(key, family.store.get(key))
    restore(family.hand("escrow", store=other), shipped, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-10")


def test_a_repository_that_says_it_is_plain_is_refused_where_the_trust_file_knows_better(family, shipped):
    told = json.loads(family.store.get("format.json"))
    plain = {**told, "suites": {"crypto": "none", "signature": "none", "digest": "blake3"}}
    for body in (plain, {**plain, "repository": "another"}):
        with altered(family.store, "format.json", canonical(body)), pytest.raises(Untrusted):
            family.hand("operator").log("gpt").view()


def test_an_unknown_suite_is_refused_with_or_without_keys(family):
    told = json.loads(family.store.get("format.json"))
    later = {**told, "suites": {**told["suites"], "crypto": "drstack-hybrid-9"}}
    with altered(family.store, "format.json", canonical(later)):
        for opened in (family.hand("operator"), Repository("west", family.store)):
            with pytest.raises(RepositoryUnknown, match="suites that this version does not know"):
                opened.format()
