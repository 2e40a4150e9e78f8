"""Damage is found and repaired from peers; nothing right is ever removed."""

from __future__ import annotations

import random

import pytest

from replicator.codec.plain import encode as encode_block
from replicator.errors import DataCorrupt, NothingToRestore
from replicator.log.entries import Drop
from replicator.model import Id
from replicator.repository.ladder import Ladder
from replicator.repository.repair import find_damage, repair
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.salvage import salvage
from replicator.repository.scrub import Place, needed, scrub
from replicator.repository.verify import check_decoded, verify
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.damage import (
    everything,
    filled,
    filled_apart,
    filled_encrypted,
    flip,
    flip_body,
    pack_of,
)
from tests.replicator.repository.rig import contents, repository
from tools.cases import chosen

SHARE, WHOLE = 12, 400
BOTH = ("stored", "decoded")
pytestmark = pytest.mark.usefixtures("small_packs")


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
    found = find_damage(here, full=True)
    assert set(found.bad) == set(hit), f"seed {seed}"
    assert len(found.objects) == len(right)
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


@pytest.mark.parametrize("how", ["another coder's bytes", "more than is named"])
def test_a_pack_that_cannot_be_made_again_as_it_was_is_shown_to_nobody(tmp_path, monkeypatch, how):
    """Encrypted under a nonce that was used, it must be the very bytes that were sent, or stay in memory."""
    here, peer = filled_encrypted(tmp_path, "here", "peer")
    first, *_ = here.log("gpt").view().in_order()
    here.store.delete(pack_of(first))
    if how == "more than is named":
        dropped = Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="test")
        here.log("gpt").append(lambda view: dropped if first.what.id() in view.accepted else None)
    else:
        monkeypatch.setattr("replicator.repository.repair.encode", otherwise)
    for each in here.log("gpt").view().in_order():  # so that nothing is stored anew: what appears was made again
        here.log("gpt").pin(f"keep-{each.what.height}", each.what.id(), reason="", term=1)
    before = everything(here)
    done = repair(here, [peer], "operator")
    assert pack_of(first) in done.left
    assert everything(here) == before, "what was made again otherwise is in no store"


def otherwise(plain):
    coder, stored = encode_block(plain)
    return coder, stored[:-1] + bytes([stored[-1] ^ 1])


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
    key = pack_of(newest)
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
    assert find_damage(here, full=True).bad == {}
