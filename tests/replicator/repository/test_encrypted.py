"""An encrypted repository: recipients read it, writers do not, and nobody else learns or changes anything."""

from __future__ import annotations

import base64
import json
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from replicator.crypto import vault
from replicator.errors import DataCorrupt, KeyAbsent, RepositoryUnknown, StoreError, Untrusted
from replicator.log.records import canonical, digest
from replicator.model import CommitId
from replicator.repository.manifest import decode, encode
from replicator.repository.packs import pack_key
from replicator.repository.pinning import pinned
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.scrub import Place, scrub
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


class Rights:
    """A store whose credentials have what docs/security.md recommends for a writer, and nothing more."""

    ALLOWED: ClassVar = {
        "create": ("log/", "parts/", "format.json", "packs/", "manifests/", "keys/"),
        "get": ("log/", "parts/", "format.json", "receipts/"),
        "size": ("log/", "parts/", "format.json", "receipts/"),
        "list": ("receipts/",),
        "delete": (),
    }

    def __init__(self):
        self.refused: list[tuple[str, str]] = []

    def before(self, verb, key):
        if not (f"{key}/" if verb == "list" else key).startswith(self.ALLOWED[verb]):
            self.refused.append((verb, key.split("/")[0]))
            raise StoreError(f"{key}: 403 AccessDenied")

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


def test_the_rights_that_are_recommended_for_a_writer_are_enough(family, tmp_path):
    def ships(height, memory, rank=None, **more):
        folder = tmp_path / f"step-{height}"
        if rank is None:
            snapshot = checkpoint(folder, height)
        else:
            folder.mkdir(exist_ok=True)
            (folder / f"rank-{rank}").write_bytes(bytes([rank]) * 100_000)
            snapshot = take_snapshot(folder, [f"rank-{rank}"])
            more |= {"rank": rank, "world": 2}
        writer = family.hand("writer", store=FaultyStore(family.store, rights), memory=memory)
        return ship(push(height, height, attempt=f"a{height}", salt=bytes([height]) * 16, **more), snapshot, writer)

    rights = Rights()
    ships(1, "kept")
    second = ships(2, "kept")
    assert second.where.base.key() == CommitId(1, 1)
    assert ships(3, "kept", rank=0) is None
    third = ships(3, "kept", rank=1)
    assert third is not None
    assert rights.refused == []
    reader = family.hand("operator")
    for height, accepted in ((2, second), (3, third)):
        restore(reader, accepted, tmp_path / f"back-{height}")
        assert contents(tmp_path / f"back-{height}") == contents(tmp_path / f"step-{height}")


def test_a_writer_that_may_only_create_and_remembers_nothing_sends_a_keyframe(family, shipped, tmp_path):
    rights = Rights()
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
    done = ship(push(1, 10), snapshot, family.hand("writer"))
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
    reader = family.hand("operator")
    manifest = reader.manifest(done.where.manifest)
    kept, suite = manifest.encryption, reader.cipher._suite
    secret = reader.cipher.secret(kept.key)
    salt = bytes.fromhex(kept.packs[0].salt)
    assert salt.hex().encode() in everything, "what is in the clear is found so"
    told = [bytes.fromhex(each.digest) for each in manifest.blocks]
    told += [bytes.fromhex(kept.block_key), secret, vault.pack_key(suite, secret, salt)]
    assert len(told) > 3
    for each in told:
        for spelt in (each, each.hex().encode(), base64.b64encode(each).rstrip(b"="), base64.urlsafe_b64encode(each)):
            assert spelt not in everything


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


def test_a_writer_remembers_its_last_16_pushes_and_no_older_one(family, tmp_path):
    writer = family.hand("writer", memory="kept")
    shipped = [
        ship(
            push(n, 10 * n, attempt=f"a{n}", salt=bytes([n]) * 16),
            checkpoint(tmp_path / str(n), 10 * n, size=1000, seed=n),
            writer,
        )
        for n in range(1, 18)
    ]
    there = {path.name for path in (family.folder / "kept").rglob("*") if len(path.name) == 64}
    assert there == {each.where.manifest.digest for each in shipped[1:]}
    assert len(there) == 16


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


def test_what_a_writers_key_reads_of_several_ranks_pushes_is_names_shapes_and_statistics_and_no_contents(
    family, tmp_path
):
    for rank in range(2):
        (tmp_path / "both").mkdir(exist_ok=True)
        values = np.full((3, 50), rank + 0.5, np.float32)
        save_file({f"secret.layer.{rank}": values}, tmp_path / "both" / f"secret-{rank}.safetensors")
    for rank in range(2):
        snapshot = take_snapshot(tmp_path / "both", [f"secret-{rank}.safetensors"])
        done = ship(push(1, 10, rank=rank, world=2), snapshot, family.hand("writer"))
    thief = family.hand("writer")
    told = []
    for key in objects(family.store, "parts"):
        record = family.store.get(key)
        body = thief.notary.open(record, key, kind="part").payload
        assert b"secret" not in record
        assert b"secret" not in base64.b64decode(body["sealed"])
        told.append(decode(thief.cipher.from_peer(body["sealed"], key), key))
        for others in (("promoter",), ("keeper", "verifier")):
            with pytest.raises(KeyAbsent, match="role writer"):
                family.hand(*others).cipher.from_peer(body["sealed"], key)
    tensors = {each.name: each for manifest in told for each in manifest.tensors}
    assert {file.path for manifest in told for file in manifest.files} == {
        f"secret-{rank}.safetensors" for rank in (0, 1)
    }
    assert {name: (each.shape, each.sum_squares) for name, each in tensors.items()} == {
        "secret.layer.0": ((3, 50), 150 * 0.25),
        "secret.layer.1": ((3, 50), 150 * 2.25),
    }
    with pytest.raises(KeyAbsent, match="private key of no recipient"):
        restore(thief, done, tmp_path / "back")
    for manifest in told:
        for block in manifest.blocks:
            stored = thief.store.get_range(
                pack_key(manifest.packs[block.pack].digest), block.offset, block.stored_bytes
            )
            with pytest.raises(KeyAbsent):
                thief.cipher.open_block(manifest, block, stored)
    assert not (tmp_path / "back").exists()


def bent(body: bytes, at: int, bits: int = 1) -> bytes:
    return body[:at] + bytes([body[at] ^ bits]) + body[at + 1 :]


def spread(start: int, end: int, count: int) -> list[int]:
    """About so many places from the first to the last, both among them."""
    return sorted({*range(start, end, max(1, (end - start) // count)), end - 1})


def test_every_changed_byte_of_a_pack_or_manifest_is_found(family, shipped, tmp_path):
    """Places all over the manifest, its header too, and over the blocks of every pack."""
    for key in [*objects(family.store, "packs"), *objects(family.store, "manifests")]:
        body = family.store.get(key)
        start = vault.read_header(vault.PACK_MAGIC, body)[1] if key.startswith("packs") else 0
        for at in spread(start, len(body), 40):
            reader = family.hand("operator")
            with altered(family.store, key, bent(body, at)), pytest.raises(DataCorrupt):
                restore(reader, shipped, tmp_path / "back")
            assert not (tmp_path / "back").exists()


def test_every_changed_byte_of_a_wrapped_key_is_found(family, shipped, tmp_path):
    """The last bit of the point too, which X25519 itself passes over."""
    (key,) = shipped.where.keys
    name = vault.key_object(key, "operator")
    body = family.store.get(name)
    for at in [*spread(0, len(body), 20), 1088 + 31]:
        for bits in (0x01, 0x80):
            with altered(family.store, name, bent(body, at, bits)), pytest.raises(DataCorrupt, match="not wrapped to"):
                restore(family.hand("operator"), shipped, tmp_path / "back")
            assert not (tmp_path / "back").exists()


def test_a_changed_byte_of_a_packs_header_which_no_restore_reads_is_found_by_a_scrub(family, shipped, tmp_path):
    reader, verifier = family.hand("operator"), family.hand("verifier")
    for key in objects(family.store, "packs"):
        body = family.store.get(key)
        start = vault.read_header(vault.PACK_MAGIC, body)[1]
        assert start == min(each.offset for each in reader.manifest(shipped.where.manifest).blocks)
        for at in spread(0, start, 10):
            with altered(family.store, key, bent(body, at)):
                assert list(scrub(verifier, Place(), "west").place.damaged) == [key]
                assert verifier.receipts.damaged("gpt", shipped.slot)
    restore(reader, shipped, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-10")


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
