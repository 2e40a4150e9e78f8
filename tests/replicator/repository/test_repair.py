"""Damage is found and repaired from peers; a log comes back only from a copy of itself; nothing right is ever removed."""

from __future__ import annotations

import base64
import json
import random

import pytest

from replicator.codec.plain import encode as encode_block
from replicator.errors import DataCorrupt, KeyMissing, NothingToRestore, RolledBack
from replicator.log.entries import Drop, Open
from replicator.log.records import encode
from replicator.model import CommitId, Id
from replicator.repository.heads import Head, head_of, require_whole, rolled_back
from replicator.repository.ladder import Ladder
from replicator.repository.mirror import put_back_log
from replicator.repository.repair import find_damage, repair, repair_logs
from replicator.repository.repository import Repository
from replicator.repository.restore import restore, restore_from
from replicator.repository.salvage import salvage
from replicator.repository.scrub import Place, needed, scrub
from replicator.repository.ship import ship
from replicator.repository.verify import check_decoded, verify
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository
from tools.cases import chosen

SHARE, WHOLE = 12, 400
BOTH = ("stored", "decoded")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 60_000)
    cut_every(16_000, monkeypatch)
    monkeypatch.setattr("replicator.repository.ladder.UNIT_BYTES", 40_000)


def copy(there, name="mirror"):
    """A byte for byte copy of all objects."""
    store = memory_store()
    for top in ("format.json", "log", "packs", "manifests", "receipts", "parts"):
        keys = [top] if top == "format.json" else sorted(there.store.list(top))
        for key in keys:
            store.create(key, there.store.get(key))
    return Repository(name, store)


def filled(tmp_path, *names, salts=None, count=3):
    """Repositories with the same three checkpoints, the later ones leaning on the first."""
    made = [repository(memory_store(), name=name) for name in names]
    fill(tmp_path, made, salts=salts, count=count)
    return made


def fill(tmp_path, made, *, salts=None, count=3):
    for n in range(1, count + 1):
        folder = tmp_path / f"ck-{n}"
        if not folder.exists():
            checkpoint(folder, n, size=400_000, seed=1)
            with (folder / "weights").open("r+b") as file:
                file.write(bytes([n]) * 20_000)
        from replicator.repository.snapshot import take_snapshot

        snapshot = take_snapshot(folder, ["weights", "sub/step", "empty"])
        for k, there in enumerate(made):
            salt = bytes([n, k if salts else 0]) * 8
            ship(push(n, n, attempt=f"a{n}", salt=salt), snapshot, there)


def filled_apart(tmp_path, *names):
    """The same, packed and named by each in its own way."""
    return filled(tmp_path, *names, salts=True)


def filled_encrypted(tmp_path, *names):
    """The same, encrypted: each push to each repository has a key of its own."""
    family = Family(tmp_path / "family")
    stores = [family.store, *(memory_store() for _ in names[1:])]
    made = []
    for store in stores:
        if store is not family.store:
            family.add(store)
        made.append(family.all(store))
        if made[-1].log("gpt").view().term == 0:
            made[-1].log("gpt").open(Open(term=1, writer="east"))
    fill(tmp_path, made)
    return made


def flip(store, key, dice):
    body = bytearray(store.get(key))
    how = dice.randrange(3)
    store.delete(key)
    if how == 0:
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    elif how == 1:
        body = body[: dice.randrange(len(body))]
    else:
        return
    store.create(key, bytes(body))


def everything(there):
    return {key: there.store.get(key) for key in sorted([*there.store.list("packs"), *there.store.list("manifests")])}


@pytest.mark.faults("damage", SHARE, WHOLE)
@pytest.mark.parametrize("seed", chosen(SHARE, WHOLE))
def test_of_five_percent_damage_all_is_found_and_all_that_a_peer_has_is_repaired(tmp_path, seed, cases):
    cases.one(seed)
    dice = random.Random(seed)
    here, peer = (filled, filled_apart, filled_encrypted)[seed % 3](tmp_path, "here", "peer")
    right, theirs = everything(here), sorted(everything(peer))
    hit = sorted(key for key in right if dice.random() < 0.05) or [dice.choice(sorted(right))]
    lost = [key for key in (hit if theirs == sorted(right) else theirs[: len(hit)]) if dice.random() < 0.3]
    for key in hit:
        flip(here.store, key, dice)
    for key in lost:
        flip(peer.store, key, dice)
    has = {a.what.id() for a in peer.log("gpt").view().in_order() if check_decoded(peer, a).ok}
    objects, bad, examined = find_damage(here, full=True)
    assert set(bad) == set(hit), f"seed {seed}"
    assert examined == len(objects) == len(right)
    place = Place()
    while True:
        step = scrub(here, place, "scrub", budget_bytes=100_000)
        place = step.place
        if not step.left:
            break
    assert set(place.damaged) == set(hit), f"seed {seed}"
    done = repair(here, [peer], "operator", full=True)
    assert set(done.repaired) | set(done.left) <= set(hit)
    assert {*done.repaired, *done.left} | (set(hit) - set(needed(here))) == set(hit), "renewed, or needed no more"
    for key in {*right} - ({*hit} - {*done.repaired}):
        assert here.store.get(key) == right[key], f"seed {seed}: {key}"
    for accepted in here.log("gpt").view().in_order():
        target = tmp_path / "out" / str(accepted.what.id())
        hurt = any(key in done.left for key in _keys(here, accepted))
        assert check_decoded(here, accepted).ok is not hurt or _not_read(here, accepted, done.left)
        try:
            restore(here, accepted, target)
        except DataCorrupt:
            assert hurt
            assert f"gpt {accepted.what.id()}" in done.lost
            assert accepted.what.id() not in has, f"seed {seed}: the peer has it"
            assert not target.exists()
        else:
            assert contents(target) == contents(tmp_path / f"ck-{accepted.what.height}")
        salvaged(here, accepted, tmp_path)


def _keys(there, accepted):
    return [key for key, (_, needers) in needed(there).items() if any(a.slot == accepted.slot for _, a in needers)]


def _not_read(there, accepted, left):
    """A pack may be damaged where this checkpoint does not look: its head, or another's blocks."""
    return check_decoded(there, accepted).ok and any(key in left for key in _keys(there, accepted))


def salvaged(there, accepted, tmp_path):
    """Whatever a salvage gives is right."""
    folder = tmp_path / "salvage" / str(accepted.what.id())
    source = tmp_path / f"ck-{accepted.what.height}"
    try:
        told = salvage(Ladder([(there, accepted)]), folder)
    except (DataCorrupt, NothingToRestore):
        return
    for path in told.files:
        assert (folder / "files" / path).read_bytes() == (source / path).read_bytes()
    assert {*told.files, *(each.path for each in told.damaged)} == {"weights", "sub/step", "empty"}


def test_a_pack_that_no_peer_packed_alike_is_made_again_out_of_plaintext(tmp_path):
    here, peer = filled(tmp_path, "here", "peer", salts=True)
    right = everything(here)
    packs = sorted(key for key in right if key.startswith("packs/"))
    here.store.delete(packs[0])
    flip_body(here.store, packs[1], 31)
    flip_body(here.store, packs[2], 5)
    done = repair(here, [peer], "operator", full=True)
    assert done.left == {}
    assert set(done.repaired.values()) == {"made again"}
    assert everything(here) == right


def test_an_encrypted_pack_is_made_again_bit_for_bit_by_who_holds_a_recipients_key(tmp_path):
    here, peer = filled_encrypted(tmp_path, "here", "peer")
    right = everything(here)
    assert not set(right) & set(everything(peer)), "no object is the same in both"
    packs = sorted(key for key in right if key.startswith("packs/"))
    here.store.delete(packs[0])
    flip_body(here.store, packs[1], 31)
    flip_body(here.store, packs[2], 2_000)
    done = repair(here, [peer], "operator", full=True)
    assert (done.left, done.lost, done.renewed) == ({}, {}, {})
    assert set(done.repaired.values()) == {"made again"}
    assert everything(here) == right


@pytest.mark.parametrize("how", [filled_apart, filled_encrypted])
def test_a_checkpoint_whose_manifest_is_gone_is_stored_anew_from_a_peer_and_keeps_its_name_and_signature(tmp_path, how):
    here, peer = how(tmp_path, "here", "peer")
    before = here.log("gpt").view().in_order()
    lost = before[1]
    here.store.delete(f"manifests/{lost.where.manifest.digest[:2]}/{lost.where.manifest.digest}")
    done = repair(here, [peer], "operator")
    assert (done.left, done.lost) == ({}, {})
    assert list(done.renewed) == [f"gpt {lost.what.id()}"]
    (now,) = [a for a in here.log("gpt").view().in_order() if a.what.id() == lost.what.id()]
    assert (now.what, now.signatures, now.slot, now.compacted) == (lost.what, lost.signatures, lost.slot, True)
    for accepted in here.log("gpt").view().in_order():
        restore(here, accepted, tmp_path / "out" / str(accepted.what.id()))
        assert contents(tmp_path / "out" / str(accepted.what.id())) == contents(tmp_path / f"ck-{accepted.what.height}")
    assert not here.receipts.damaged("gpt", lost.slot)
    assert repair(here, [peer], "operator", full=True).renewed == {}


@pytest.mark.parametrize("how", ["another coder's bytes", "more than is named"])
def test_a_pack_that_cannot_be_made_again_as_it_was_is_shown_to_nobody(tmp_path, monkeypatch, how):
    """Encrypted under a nonce that was used, it must be the very bytes that were sent, or stay in memory."""
    here, peer = filled_encrypted(tmp_path, "here", "peer")
    gone = f"packs/{(name := here.log('gpt').view().in_order()[0].where.packs[0].digest)[:2]}/{name}"
    here.store.delete(gone)
    if how == "more than is named":
        dropped = Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="test")
        here.log("gpt").append(lambda view: dropped if view.accepted[CommitId(1, 1)] else None)
    else:

        def otherwise(plain):
            coder, stored = encode_block(plain)
            return coder, stored[:-1] + bytes([stored[-1] ^ 1])

        monkeypatch.setattr("replicator.repository.repair.encode", otherwise)
    made = []
    monkeypatch.setattr("replicator.repository.repair._put", lambda _, key, body: made.append((key, body)))
    monkeypatch.setattr("replicator.repository.repair.renew", no_renewal)
    done = repair(here, [peer], "operator")
    assert made == []
    assert gone in done.left


def no_renewal(*_, **__):
    raise DataCorrupt("not in this test")


def test_what_the_store_gives_back_wrong_is_never_stored_anew(tmp_path):
    here, peer = filled_apart(tmp_path, "here", "peer")
    lost = here.log("gpt").view().in_order()[1]
    here.store.delete(f"manifests/{lost.where.manifest.digest[:2]}/{lost.where.manifest.digest}")
    there = set(everything_there(here))

    class Wrong:
        def before(self, verb, key): ...

        def after(self, verb, key): ...

        def filter(self, key, body):
            fresh = key.startswith(("packs/", "manifests/")) and key not in there
            return bytes(len(body)) if fresh else body

    lying = Repository("here", FaultyStore(here.store, Wrong()))
    done = repair(lying, [peer], "operator")
    assert list(done.lost) == [f"gpt {lost.what.id()}"]
    assert not here.log("gpt").view().replaced


def test_a_peers_checkpoint_of_the_same_name_and_other_contents_is_not_stored_here(tmp_path):
    (here,) = filled(tmp_path / "a", "here")
    (peer,) = filled_otherwise(tmp_path / "b")
    lost = here.log("gpt").view().in_order()[1]
    here.store.delete(f"manifests/{lost.where.manifest.digest[:2]}/{lost.where.manifest.digest}")
    done = repair(here, [peer], "operator")
    assert "does not hold" in done.lost[f"gpt {lost.what.id()}"]


def filled_otherwise(folder):
    made = repository()
    for n in (1, 2, 3):
        ship(push(n, n, attempt=f"a{n}"), checkpoint(folder / f"ck-{n}", n, size=300_000, seed=9), made)
    return [made]


def test_a_copy_with_a_forged_tail_puts_back_what_is_signed_only(tmp_path):
    family = Family(tmp_path / "family")
    for n in (1, 2):
        ship(push(n, n, attempt=f"a{n}"), checkpoint(tmp_path / f"ck-{n}", n), family.hand("writer", memory="w"))
    copy_ = memory_store()
    for top in ("format.json", "log", "packs", "manifests", "keys"):
        for key in [top] if top == "format.json" else family.store.list(top):
            copy_.create(key, family.store.get(key))
    last = family.all().log("gpt").slot(3)
    forged = encode(
        "log/gpt", 4, last.digest, "t", "drop", 0.0, {"term": 1, "commits": [], "bytes_after": 0.0, "reason": ""}
    )
    copy_.create("log/gpt/" + f"{4:020d}", forged)
    family.store.delete("log/gpt/" + f"{3:020d}")
    here = family.all()
    done = repair_logs(here, [family.all(copy_)], lambda _: [])
    assert done["gpt"].slots == [3]
    assert len(family.all().log("gpt").view().accepted) == 2


@pytest.mark.parametrize("why", ["pinned", "sealed", "another"])
def test_nothing_is_stored_anew_where_it_may_not_be(tmp_path, why):
    here, peer = filled_apart(tmp_path, "here", "peer")
    lost = here.log("gpt").view().in_order()[1]
    if why == "pinned":
        here.log("gpt").pin("release", lost.what.id(), reason="", term=1)
    elif why == "sealed":
        here.log("gpt").seal(1, reason="")
    else:
        (peer,) = filled(tmp_path / "other", "other", count=0)
    here.store.delete(f"manifests/{lost.where.manifest.digest[:2]}/{lost.where.manifest.digest}")
    objects = len(everything_there(here))
    done = repair(here, [peer], "operator")
    assert list(done.lost) == [f"gpt {lost.what.id()}"]
    assert {"pinned": "pinned as release", "sealed": "term 1 is over", "another": "does not hold"}[why] in str(
        done.lost
    )
    assert len(done.left) == 1
    assert len(everything_there(here)) == objects, "nothing was written"


def everything_there(there):
    return [*there.store.list("packs"), *there.store.list("manifests")]


def flip_body(store, key, at):
    body = bytearray(store.get(key))
    body[at] ^= 1
    store.delete(key)
    store.create(key, bytes(body))


def test_what_no_peer_has_is_left_and_said(tmp_path):
    (here,) = filled(tmp_path, "here")
    key = next(key for key in everything(here) if key.startswith("packs/"))
    flip_body(here.store, key, 40)
    before = here.store.get(key)
    done = repair(here, [repository()], "operator", full=True)
    assert list(done.left) == [key]
    bad = {f"gpt {each.what.id()}" for each in here.log("gpt").view().in_order() if not check_decoded(here, each).ok}
    assert set(done.lost) == bad != set()
    assert here.store.get(key) == before, "what may still hold right blocks is not removed"


def test_receipts_say_that_it_is_whole_again_once_it_was_read_back(tmp_path):
    here, peer = filled(tmp_path, "here", "peer")
    newest = here.log("gpt").view().in_order()[-1]
    key = f"packs/{newest.where.packs[0].digest[:2]}/{newest.where.packs[0].digest}"
    flip_body(here.store, key, 40)
    verify(here, "gpt", newest, "west")
    scrub(here, Place(), "scrub")
    assert {(each.level, each.verifier) for each in here.receipts.failed("gpt", newest.slot)} == {
        ("decoded", "west"), ("stored", "scrub")
    }  # fmt: skip
    verify(here, "gpt", newest, "operator")
    done = repair(here, [peer], "operator")
    assert list(done.repaired) == [key]
    assert f"gpt {newest.what.id()}" in done.whole
    assert not here.receipts.damaged("gpt", newest.slot)
    assert here.receipts.levels("gpt", newest.slot, BOTH) == {"stored": True, "decoded": True}
    flip_body(here.store, key, 41)
    scrub(here, Place(), "scrub")
    assert here.receipts.damaged("gpt", newest.slot), "a word said after the repair counts"


def test_who_did_not_repair_takes_nothing_back(tmp_path):
    here, _ = filled(tmp_path, "here", "peer")
    newest = here.log("gpt").view().in_order()[-1]
    record = here.log("gpt").slot(newest.slot).digest
    here.receipts.write("gpt", newest.slot, "decoded", "west", record=record, ok=False, reason="bad")
    here.receipts.write("gpt", newest.slot, "proved", "west", record=record, ok=False, reason="differs")
    verify(here, "gpt", newest, "operator")
    assert here.receipts.damaged("gpt", newest.slot)
    verify(here, "gpt", newest, "operator", repaired=True)
    (proved,) = here.receipts.failed("gpt", newest.slot)
    assert proved.level == "proved"
    here.receipts.write("gpt", newest.slot, "decoded", "thief", record=record, ok=True, takes_back=[proved])
    assert here.receipts.failed("gpt", newest.slot) == [proved]


def test_what_reads_well_the_second_time_is_not_touched(tmp_path):
    here, peer = filled(tmp_path, "here", "peer")

    class Once:
        seen, deleted = set(), []

        def before(self, verb, key):
            if verb == "delete":
                self.deleted.append(key)

        def after(self, verb, key):
            pass

        def filter(self, key, body):
            if key in self.seen or not key.startswith(("packs/", "manifests/")):
                return body
            self.seen.add(key)
            return body[:-1]

    flaky = Repository("here", FaultyStore(here.store, Once()))
    assert repair(flaky, [peer], "operator", full=True).repaired == {}
    assert Once.deleted == []


def test_a_dropped_checkpoints_objects_are_nobodys_damage(tmp_path):
    (here,) = filled(tmp_path, "here")
    first = here.log("gpt").view().in_order()[0].what.id()
    gone = set(everything(here))
    here.log("gpt").append(
        lambda view: (
            Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="test")
            if first in view.accepted
            else None
        )
    )
    for key in gone - set(needed(here)):
        here.store.delete(key)
    assert find_damage(here, full=True)[1] == {}


def test_words_that_a_verifier_said_since_the_rollback_are_not_continued_by_what_it_said_before(tmp_path):
    (here,) = filled(tmp_path, "here")
    (first, *_) = here.log("gpt").view().in_order()
    record = here.log("gpt").slot(first.slot).digest
    older = copy(here)
    for repository_, reasons in ((here, ("a", "b")), (older, ("since",))):
        for reason in reasons:
            repository_.receipts.write("gpt", first.slot, "decoded", "west", record=record, ok=True, reason=reason)
    here.receipts.write("gpt", first.slot, "decoded", "east", record=record, ok=True, reason="c")
    done = repair_logs(older, [here], lambda _: [])
    assert [key.split("/")[4] for key in done["gpt"].receipts] == ["east"]
    words = Repository("here", older.store).receipts.words("gpt", first.slot, "decoded")
    assert {by: why for by, (_, why, _) in words.items()} == {"west": "since", "east": "c"}


def test_a_log_that_was_rolled_back_comes_back_from_a_copy_with_its_receipts(tmp_path):
    (here,) = filled(tmp_path, "here")
    for accepted in here.log("gpt").view().in_order():
        verify(here, "gpt", accepted, "west")
    head = head_of(here, "gpt")
    mirror = copy(here)
    for slot in (3, 4):
        here.store.delete(f"log/gpt/{slot:020d}")
    receipt = min(here.store.list("receipts/gpt/00000000000000000004"))
    here.store.delete(receipt)
    back = Repository("here", here.store)
    with pytest.raises(RolledBack, match="slot 4 was seen before"):
        require_whole(back, "gpt", [head])
    done = repair_logs(back, [mirror], lambda _: [head])
    assert (done["gpt"].slots, done["gpt"].receipts) == ([3, 4], [receipt])
    whole = Repository("here", here.store)
    require_whole(whole, "gpt", [head])
    for accepted in whole.log("gpt").view().in_order():
        assert all(whole.receipts.levels("gpt", accepted.slot, BOTH).values())
    assert repair_logs(whole, [mirror], lambda _: [head]) == {}


def test_another_repositorys_log_is_no_copy_and_a_log_that_went_apart_is_left_alone(tmp_path):
    here, other = filled(tmp_path, "here", "other")
    with pytest.raises(RolledBack, match="no copy"):
        put_back_log(here.store, other.store, "gpt", [])
    assert repair_logs(here, [other], lambda _: []) == {}
    mirror = copy(here)
    here.store.delete("log/gpt/00000000000000000004")
    apart = Repository("here", here.store)
    apart.log("gpt").pin("mine", apart.log("gpt").view().in_order()[0].what.id(), reason="", term=1)
    before = here.store.get("log/gpt/00000000000000000004")
    with pytest.raises(RolledBack, match="went apart"):
        repair_logs(Repository("here", here.store), [mirror], lambda _: [])
    assert here.store.get("log/gpt/00000000000000000004") == before


def test_a_copy_gives_only_what_follows(tmp_path):
    (here,) = filled(tmp_path, "here")
    mirror = copy(here)
    three, four = (f"log/gpt/{n:020d}" for n in (3, 4))
    record = json.loads(base64.b64decode(json.loads(here.store.get(four))["payload"]))
    mirror.store.delete(four)
    forged = encode("log/gpt", 4, "0" * 64, "a", record["kind"], 0.0, record["body"])
    mirror.store.create(four, forged)
    for key in (three, four):
        here.store.delete(key)
    assert put_back_log(here.store, mirror.store, "gpt", []) == [3]
    with pytest.raises(KeyMissing):
        here.store.get(four)


@pytest.mark.parametrize(("slot", "known", "mended"), [(2, False, True), (4, False, False), (4, True, True)])
def test_an_unreadable_record_is_replaced_only_where_a_digest_proves_what_belongs_there(tmp_path, slot, known, mended):
    (here,) = filled(tmp_path, "here")
    head, mirror = head_of(here, "gpt"), copy(here)
    key = f"log/gpt/{slot:020d}"
    right = here.store.get(key)
    here.store.delete(key)
    here.store.create(key, right[:-9])
    heads = [head] if known else []
    if not mended:
        with pytest.raises(RolledBack, match="nothing proves"):
            put_back_log(here.store, mirror.store, "gpt", heads)
        assert here.store.get(key) == right[:-9]
        return
    assert put_back_log(here.store, mirror.store, "gpt", heads) == [slot]
    assert here.store.get(key) == right


def test_a_log_is_rolled_back_where_it_is_shorter_or_other_than_what_was_seen_or_receipted():
    assert rolled_back(["a", "b"], [Head(n=2, digest="b")], [1, 2]) is None
    assert "ends at slot 1" in rolled_back(["a"], [Head(n=2, digest="b")], [])
    assert "not the record" in rolled_back(["a", "c"], [Head(n=2, digest="b")], [])
    assert "receipts about slot 3" in rolled_back(["a", "b"], [], [3])
    assert rolled_back([], [], []) is None


def test_a_stale_list_hides_nothing_that_was_committed(tmp_path):
    (here,) = filled(tmp_path, "here")

    class Stale(FaultyStore):
        def list(self, prefix):
            return iter(())

    class No:
        def before(self, verb, key): ...
        def after(self, verb, key): ...
        def filter(self, key, body):
            return body

    stale = Repository("here", Stale(here.store, No()))
    newest = stale.log("gpt").view().in_order()[-1]
    restore_from(Ladder([(stale, newest)]), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "ck-3")
