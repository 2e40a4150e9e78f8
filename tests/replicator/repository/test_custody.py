"""What holds when keys are lost or stolen, a store lies, or a site turns: docs/security.md names these tests."""

from __future__ import annotations

import threading

import pytest

from replicator.crypto import vault
from replicator.crypto.suites import DEFAULT, suite_named
from replicator.crypto.trust import TrustedRepository
from replicator.errors import DataCorrupt, KeyAbsent, SignatureRefused, StoreUnavailable, TermRegressed, Untrusted
from replicator.log.entries import Drop
from replicator.log.slots import slot_key
from replicator.model import LEVELS, Id
from replicator.repository.custody import create_key, revoke, rewrap
from replicator.repository.establish import establish, open_at
from replicator.repository.format import initialise
from replicator.repository.packs import pack_key
from replicator.repository.readiness import _log, note_restore, restored_by
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.service.keeping import Keeping
from tests.replicator.crypto.rig import Family, altered, only, ring, unlocking
from tests.replicator.repository.rig import checkpoint, contents, memory_store, push


@pytest.fixture
def family(tmp_path):
    return Family(tmp_path / "family")


@pytest.fixture
def shipped(family, tmp_path):
    return ship(push(1, 10), checkpoint(tmp_path / "step-10", 10), family.hand("writer", memory="writer"))


def test_who_stole_a_trainers_disk_gets_no_key_of_an_older_pack(family, shipped, tmp_path):
    """Its key file and what it remembers: names and block ids of its own checkpoints, and nothing that decrypts a pack."""
    thief = family.hand("writer", memory="writer")
    known = thief.shipped(shipped.where.manifest)
    assert {file.path for file in known.files} == {"empty", "sub/step", "weights"}
    with pytest.raises(KeyAbsent):
        restore(thief, shipped, tmp_path / "back")
    secrets = b"".join(path.read_bytes() for path in (family.folder / "writer").rglob("*") if path.is_file())
    assert family.hand("operator").cipher.secret(shipped.where.keys[0]) not in secrets


def test_who_stole_a_writers_key_can_neither_drop_nor_promote_nor_vouch_as_verifier(family, shipped):
    thief = family.hand("writer")
    log = thief.log("gpt")
    with pytest.raises(KeyAbsent):
        log.append(lambda _: Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="mine"))
    with pytest.raises(KeyAbsent):
        log.seal(1, reason="mine")
    with pytest.raises(KeyAbsent):
        thief.receipts.write("gpt", shipped.slot, "proved", "west", record=log.slot(shipped.slot).digest, ok=True)


def test_a_standby_that_reads_and_keeps_cannot_forge_a_checkpoint(family, shipped, tmp_path):
    standby = family.hand("verifier", "keeper", "operator")
    restore(standby, shipped, tmp_path / "back")
    with pytest.raises(KeyAbsent, match="takes the role writer"):
        ship(push(2, 20, attempt="a2"), checkpoint(tmp_path / "forged", 20), standby)
    keeping = Keeping(standby, "gpt", "west", keep=1, grace_s=0.0, poll_s=1.0)
    keeping.verify_new(threading.Event())
    keeping.let_go()
    assert standby.receipts.levels("gpt", shipped.slot, ("stored", "decoded")) == {"stored": True, "decoded": True}


def test_a_verifiers_key_alone_vouches_for_what_nobody_checked(family, shipped, tmp_path):
    """What docs/security.md says does not hold: a receipt is worth what its verifier is."""
    for pack in shipped.where.packs:
        family.store.delete(pack_key(pack.digest))
    record = family.hand().log("gpt").slot(shipped.slot).digest
    for level in LEVELS:
        family.hand("verifier").receipts.write("gpt", shipped.slot, level, "west", record=record, ok=True)
    assert all(family.hand().receipts.levels("gpt", shipped.slot, LEVELS).values())
    with pytest.raises(DataCorrupt):
        restore(family.hand("operator"), shipped, tmp_path / "back")


def test_a_keeper_without_a_recipients_key_drops_and_removes_by_the_log_alone(family, tmp_path):
    writer = family.hand("writer", memory="writer")
    for height in (1, 2):
        ship(
            push(height, 10 * height, attempt=f"a{height}"),
            checkpoint(tmp_path / f"s{height}", height, seed=height),
            writer,
        )
    reader = family.hand("verifier", "operator")
    Keeping(reader, "gpt", "west", keep=1, grace_s=0.0, poll_s=1.0).verify_new(threading.Event())
    keeper = family.hand("keeper")
    Keeping(keeper, "gpt", "west", keep=1, grace_s=0.0, poll_s=1.0).let_go()
    view = family.hand().log("gpt").view()
    assert [str(key) for key in view.dropped] == ["1.1"]
    restore(family.hand("escrow"), next(iter(view.accepted.values())), tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "s2")


def test_a_log_that_is_shorter_than_this_machine_saw_it_is_refused_after_a_restart_too(family, shipped):
    assert family.hand(memory="mine").log("gpt").view().slots == shipped.slot
    with altered(family.store, slot_key("log/gpt", shipped.slot), None):
        with pytest.raises(TermRegressed):
            family.hand(memory="mine").log("gpt").view()
        assert family.hand(memory="another machine").log("gpt").view().slots == shipped.slot - 1
    assert family.hand(memory="mine").log("gpt").view().slots == shipped.slot


def test_a_record_replayed_from_another_repository_of_the_family_is_refused(family, shipped):
    other = memory_store()
    family.add(other)
    for n in (1, 2):
        other.create(slot_key("log/gpt", n), family.store.get(slot_key("log/gpt", n)))
    with pytest.raises(SignatureRefused, match="is of repository"):
        family.hand(store=other).log("gpt").view()


def test_a_repository_is_ready_only_by_a_recipients_own_word(family, shipped):
    assert restored_by(family.hand()) == ()
    with pytest.raises(KeyAbsent, match="may sign a restored"):
        _log(family.hand("writer", "verifier"), "escrow", ("escrow",)).append(lambda _: ("restored", {}))
    assert note_restore(family.hand("escrow"), shipped) == "escrow"
    assert note_restore(family.hand("escrow"), shipped) == "escrow"
    assert restored_by(family.hand()) == ("escrow",)
    assert family.store.list("restores/escrow") is not None
    assert len(list(family.store.list("restores/escrow"))) == 1


def test_an_interrupted_rewrap_goes_on_where_it_was(family, tmp_path):
    writer = family.hand("writer", memory="writer")
    for height in (1, 2, 3):
        ship(
            push(height, height, attempt=f"a{height}"), checkpoint(tmp_path / f"s{height}", height, seed=height), writer
        )
    folder = only(family.keys, tmp_path / "officer", "operator")

    class Breaks:
        def __init__(self, store, after):
            self.store, self.left = store, after

        def __getattr__(self, name):
            return getattr(self.store, name)

        def create(self, key, body):
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("cut")
            self.store.create(key, body)

    officer = ring(folder)
    create_key(officer, "board", ("recipient",), how=None, unlocking=unlocking())
    broken = Repository("west", Breaks(family.store, 1), keys=officer, memory=tmp_path / "m")
    with pytest.raises(StoreUnavailable):
        rewrap(officer, broken, "board")
    whole = Repository("west", family.store, keys=officer, memory=tmp_path / "m")
    done = rewrap(officer, whole, "board")
    assert (done.wrapped, done.already) == (2, 1)
    (tmp_path / "board").mkdir()
    board = ring(only(folder, tmp_path / "board", "board"))
    reader = Repository("west", family.store, keys=board, memory=tmp_path / "m2")
    for height, accepted in enumerate(reader.log("gpt").view().in_order(), 1):
        restore(reader, accepted, tmp_path / f"back-{height}")
        assert contents(tmp_path / f"back-{height}") == contents(tmp_path / f"s{height}")


def test_a_revoked_recipient_gets_nothing_that_is_written_after(family, tmp_path):
    officer = ring(family.keys)
    create_key(officer, "board", ("recipient",), how=None, unlocking=unlocking())
    revoke(officer, "operator", "left the company", [family.hand()])
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), family.hand("writer"))
    names = {key.rsplit("/", 1)[1] for key in family.store.list(f"keys/{accepted.where.keys[0]}")}
    assert names == {"escrow", "board"}
    with pytest.raises(KeyAbsent, match="not wrapped to operator"):
        restore(family.hand("operator"), accepted, tmp_path / "back")
    with pytest.raises(Untrusted, match="fewer than 2"):
        revoke(officer, "escrow", "lost", [family.hand()])


def test_the_trust_file_lists_a_repository_before_it_exists(family, tmp_path, monkeypatch):
    officer = ring(family.keys)
    url = (tmp_path / "new").as_uri()
    monkeypatch.setattr("replicator.repository.establish.initialise", _killed)
    with pytest.raises(KeyboardInterrupt):
        establish(url, officer)
    assert url in {each.url for each in ring(family.keys).trust.repositories}
    monkeypatch.undo()
    made = establish(url, ring(family.keys))
    assert made.suites.crypto == DEFAULT
    assert open_at(url, ring(family.keys)).format() == made


def _killed(*_args, **_more):
    raise KeyboardInterrupt


def test_a_plain_repository_in_an_encrypted_ones_place_is_refused_before_a_writer_sends_anything(family, tmp_path):
    store = memory_store()
    told = initialise(store, environment=None, witness=None, clock=lambda: 0.0, token=lambda: "evil")
    writer = family.hand("writer", store=store)
    with pytest.raises(Untrusted):
        ship(push(1, 10), checkpoint(tmp_path / "a", 10), writer)
    assert list(store.list("packs")) == []
    assert told.suites.crypto == "none"
    with pytest.raises(Untrusted):
        ring(family.keys).trust.listing(TrustedRepository(id=family.id, url="x", suite="none"))


def test_key_ids_commit_to_their_keys():
    suite = suite_named(DEFAULT)
    one = vault.PushKey.draw(suite)
    assert vault.PushKey.of(suite, one.secret) == one
    assert vault.PushKey.draw(suite).id != one.id
    assert one.secret.hex() not in repr(one)
    with pytest.raises(DataCorrupt):
        vault.read_header(vault.PACK_MAGIC, vault.MANIFEST_MAGIC + b"\0" * 20)
    with pytest.raises(DataCorrupt):
        vault.read_header(vault.PACK_MAGIC, vault.PACK_MAGIC + b"\xff\xff\xff\xff{}")
