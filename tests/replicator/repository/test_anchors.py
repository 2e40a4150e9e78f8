"""Anchors tell a machine that never looked that a log was rolled back; a copy's records unblock it; the rest is named."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from replicator.crypto.trust import Revocation, read_trust, write_trust
from replicator.errors import KeyAbsent, RecordCorrupt, ReplicatorError, SignatureRefused
from replicator.log.slots import SlotLog, slot_key
from replicator.repository.anchors import Anchor, Anchors, head_to_anchor, place_of, why_behind
from replicator.repository.lost import missing, told
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import ship
from replicator.stores.cloud import memory_store
from replicator.stores.url import make_folder, open_store
from tests.replicator.cli.rig import Shell
from tests.replicator.crypto.rig import Family, forge
from tests.replicator.repository.rig import checkpoint, push, repository


def anchors(store, environment="prod"):
    return Anchors(store, environment, clock=lambda: 5.0, token=random_token, sleep=lambda _: None)


def head(there):
    return head_to_anchor(there, "gpt", there.log("gpt").view())


def committed(tmp_path, there, *heights):
    for height in heights:
        snapshot = checkpoint(tmp_path / f"ck-{height}", height, size=20_000, seed=height)
        ship(push(height, height, attempt=f"a{height}"), snapshot, there)


def test_an_anchor_is_kept_per_site_workload_and_repository_and_read_back(tmp_path):
    witness, west, other = memory_store(), repository(name="west"), repository(name="west")
    committed(tmp_path, west, 1, 2)
    there = anchors(witness).note(west, "gpt", head(west))
    assert there.anchor == head(west)
    assert (there.anchor.slot, there.anchor.term, there.anchor.height) == (3, 1, 2)
    found = anchors(witness)
    assert found.last(west, "gpt") == there
    assert found.last(other, "gpt") is None
    assert found.workloads(west) == ["gpt"]
    assert found.workloads(other) == []
    key = f"prod/heads/west/gpt/{west.format().repository}/{1:020d}"
    assert list(witness.list("prod")) == [key]


def test_an_anchor_never_goes_back_and_an_older_head_is_not_written(tmp_path):
    witness, west = memory_store(), repository(name="west")
    committed(tmp_path, west, 1)
    older = head(west)
    committed(tmp_path, west, 2)
    newer = head(west)
    assert anchors(witness).note(west, "gpt", newer).anchor == newer
    assert anchors(witness).note(west, "gpt", older).anchor == newer
    assert len(list(witness.list("prod"))) == 1


def anchored(witness, there, *slots):
    """Anchors of these slots, in this order, as whoever writes to the witness can make them."""
    log = SlotLog(
        witness, f"prod/heads/west/gpt/{there.format().repository}", clock=lambda: 5.0, token=random_token,
        notary=there.notary,
    )  # fmt: skip
    for slot in slots:
        said = Anchor(slot=slot, digest=there.log("gpt").slot(slot).digest, term=1, height=slot - 1)
        log.append(lambda _, said=said: ("anchor", said.model_dump()))


def test_an_anchor_that_reaches_less_far_than_one_before_it_is_refused_instead_of_hiding_a_rollback(tmp_path):
    witness, west = memory_store(), repository(name="west")
    committed(tmp_path, west, 1, 2, 3, 4, 5)
    looked = anchors(witness)
    anchored(witness, west, 3, 5)
    assert looked.last(west, "gpt").anchor.slot == anchors(witness).last(west, "gpt").anchor.slot == 5
    anchored(witness, west, 4)
    for each in (looked, anchors(witness)):
        with pytest.raises(RecordCorrupt, match=r"anchors slot 4 .* and slot 2 before it slot 5"):
            each.last(west, "gpt")
        with pytest.raises(RecordCorrupt, match="anchors slot 4"):
            each.note(west, "gpt", head(west))


def test_who_looked_before_is_told_whatever_number_of_anchors_went_back_since(tmp_path):
    witness, west = memory_store(), repository(name="west")
    committed(tmp_path, west, 1, 2, 3, 4, 5)
    looked = anchors(witness)
    anchored(witness, west, 6)
    assert looked.last(west, "gpt").anchor.slot == 6
    anchored(witness, west, 2, 3, 4, 5)
    with pytest.raises(RecordCorrupt, match=r"anchors slot 5 .* and slot 1 before it slot 6"):
        looked.last(west, "gpt")


def test_two_that_anchor_at_once_leave_the_furthest_head_as_the_last(tmp_path):
    witness, west = memory_store(), repository(name="west")
    committed(tmp_path, west, 1, 2, 3, 4, 5)
    view = west.log("gpt").view()
    heads = [Anchor(slot=n, digest=west.log("gpt").slot(n).digest, term=1, height=n) for n in range(1, view.slots + 1)]

    def work(mine):
        own = anchors(witness)
        for each in mine:
            own.note(Repository("west", west.store), "gpt", each)

    threads = [threading.Thread(target=work, args=(heads[k:],)) for k in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert anchors(witness).last(west, "gpt").anchor == heads[-1]


def test_a_log_that_ends_before_its_anchor_or_holds_another_record_there_is_behind(tmp_path):
    west = repository(name="west")
    committed(tmp_path, west, 1, 2)
    now = head(west)
    assert why_behind(west.store, "gpt", now) is None
    assert "not the record" in why_behind(west.store, "gpt", now.model_copy(update={"digest": "0" * 64}))
    west.store.delete(slot_key("log/gpt", 3))
    assert "it ends before slot 3 (up to checkpoint 1.2)" in why_behind(west.store, "gpt", now)


def test_what_only_the_anchor_knows_is_named_as_unknown_loss(tmp_path):
    west, peer = repository(name="west"), repository(name="east")
    committed(tmp_path, west, 1)
    committed(tmp_path, peer, 1, 2)
    anchor = Anchor(slot=4, digest="0" * 64, term=1, height=3)
    lost = missing(west.log("gpt").view(), anchor, [("east", peer.log("gpt").view())])
    assert [(str(each.commit), each.held_by) for each in lost] == [("1.2", ("east",)), ("1.3", ())]
    assert "1.3: UNKNOWN LOSS" in told(lost)[1]
    assert (
        "and 980 more, 980 in no repository"
        in told(missing(west.log("gpt").view(), anchor.model_copy(update={"height": 1001}), []))[-1]
    )


def test_an_anchor_of_a_signed_repository_is_signed_by_its_keeper_or_verifier_and_by_nobody_else(tmp_path):
    family = Family(tmp_path)
    witness = memory_store()
    there = family.hand("keeper")
    made = anchors(witness).note(there, "gpt", head(there))
    assert anchors(witness).last(family.hand(), "gpt") == made
    with pytest.raises(KeyAbsent, match="anchor"):
        anchors(memory_store()).note(family.hand("writer"), "gpt", head(there))


def test_a_forged_anchor_of_a_signed_repository_blocks_instead_of_being_believed(tmp_path):
    family = Family(tmp_path)
    plain, witness = repository(), memory_store()
    there = family.hand("keeper")
    prefix = f"prod/heads/west/gpt/{family.id}"
    forged = anchors(memory_store())
    forged._prefix = lambda repository, workload, here=None: prefix
    forged.note(Repository("west", plain.store), "gpt", Anchor(slot=99, digest="0" * 64, term=1, height=98))
    witness.create(slot_key(prefix, 1), forged._store.get(slot_key(prefix, 1)))
    with pytest.raises(SignatureRefused):
        anchors(witness).last(there, "gpt")


@pytest.mark.parametrize("by", ["writer", "promoter", "operator"])
def test_an_anchor_that_a_key_of_another_role_signed_is_refused_when_it_is_read(tmp_path, by):
    family, witness = Family(tmp_path), memory_store()
    prefix = f"prod/heads/west/gpt/{family.id}"
    said = Anchor(slot=99, digest="0" * 64, term=1, height=98).model_dump(mode="json")
    witness.create(slot_key(prefix, 1), forge(family, 1, "anchor", said, by=by, log=prefix))
    with pytest.raises(SignatureRefused, match=f"key {by} is .*, and signed a anchor"):
        anchors(witness).last(family.hand(), "gpt")
    witness.delete(slot_key(prefix, 1))
    witness.create(slot_key(prefix, 1), forge(family, 1, "anchor", said, by="keeper", log=prefix))
    assert anchors(witness).last(family.hand(), "gpt").anchor.slot == 99


def test_an_anchor_of_another_repository_of_the_family_is_none_of_this_one(tmp_path):
    family = Family(tmp_path)
    other = memory_store()
    family.add(other)
    there, elsewhere = family.hand("keeper"), family.hand("keeper", "promoter", store=other)
    witness = memory_store()
    anchors(witness).note(there, "gpt", head(there))
    ours = f"prod/heads/west/gpt/{family.id}"
    theirs = f"prod/heads/west/gpt/{elsewhere.format().repository}"
    witness.create(slot_key(theirs, 1), witness.get(slot_key(ours, 1)))
    with pytest.raises((SignatureRefused, RecordCorrupt)):
        anchors(witness).last(elsewhere, "gpt")


def test_an_anchor_whose_key_was_revoked_says_nothing_and_the_next_one_goes_on_after_it(tmp_path):
    family = Family(tmp_path)
    witness, there = memory_store(), family.hand("keeper")
    anchors(witness).note(there, "gpt", head(there))
    trust = read_trust(family.keys)
    revoked = [
        key.model_copy(update={"revoked": Revocation(at=1.0, reason="stolen", through={})})
        if key.name == "keeper"
        else key
        for key in trust.keys
    ]
    write_trust(family.keys, trust.model_copy(update={"keys": tuple(revoked)}))
    after = family.hand("verifier")
    assert anchors(witness).last(after, "gpt") is None
    assert anchors(witness).note(after, "gpt", head(after)).anchor == head(after)
    assert anchors(witness).last(family.hand(), "gpt").anchor == head(after)


def test_an_anchor_of_a_slot_that_never_was_holds_nothing_up_once_its_key_is_revoked(tmp_path):
    family = Family(tmp_path)
    witness, thief, verifier = memory_store(), family.hand("keeper"), family.hand("verifier")
    looked = anchors(witness)
    forged = head(thief).model_copy(update={"slot": 10**9, "digest": "0" * 64})
    assert looked.note(thief, "gpt", forged).anchor == forged
    trust = read_trust(family.keys)
    ended = Revocation(at=1.0, reason="stolen", through={f"{family.id}/prod/heads/west/gpt/{family.id}": 0})
    write_trust(verifier.keys.folder, trust.with_key(trust.key("keeper").model_copy(update={"revoked": ended})))
    after = anchors(witness)
    assert after.last(verifier, "gpt") is None
    assert after.note(verifier, "gpt", head(verifier)).anchor == head(verifier)
    assert anchors(witness).last(verifier, "gpt").anchor == head(verifier)


def test_an_entry_that_is_no_anchor_blocks(tmp_path):
    from replicator.log.tail import TailLog

    witness, west = memory_store(), repository(name="west")
    prefix = f"prod/heads/west/gpt/{west.format().repository}"
    TailLog(witness, prefix, clock=time.time, token=random_token).append(lambda _: ("later", {}))
    with pytest.raises(RecordCorrupt, match="later is no anchor"):
        anchors(witness).last(west, "gpt")


@pytest.mark.parametrize("told_", ["file:///w", "file:///w#env", "file:///w#/site", "#env/site", "file:///w#a/b/c"])
def test_a_place_without_witness_environment_and_site_is_refused(told_):
    with pytest.raises(ReplicatorError, match="no witness, environment and site"):
        place_of(told_)


@pytest.fixture
def rolled_back(tmp_path):
    """Folders: a store that is rolled back to its first checkpoint, a copy of how it was, another site's, a witness."""
    made = {}
    for name in ("west", "east"):
        make_folder((tmp_path / name).as_uri())
        made[name] = repository(open_store((tmp_path / name).as_uri()), name=name)
    make_folder((tmp_path / "witness").as_uri())
    committed(tmp_path, made["west"], 1)
    shutil.copytree(tmp_path / "west", tmp_path / "older", symlinks=True)
    committed(tmp_path, made["west"], 2, 3)
    shutil.copytree(tmp_path / "west", tmp_path / "copy", symlinks=True)
    committed(tmp_path, made["west"], 4)
    committed(tmp_path, made["east"], 1, 2, 3)
    anchors(open_store((tmp_path / "witness").as_uri())).note(made["west"], "gpt", head(made["west"]))
    shutil.copytree(tmp_path / "west", tmp_path / "whole", symlinks=True)
    shutil.rmtree(tmp_path / "west")
    shutil.copytree(tmp_path / "older", tmp_path / "west", symlinks=True)
    return tmp_path


def test_a_machine_that_never_looked_is_told_and_repairs_from_a_copy_and_what_nobody_has_is_named(rolled_back):
    place = rolled_back
    west, told_ = (place / "west").as_uri(), f"{(place / 'witness').as_uri()}#prod/west"
    machine = Shell(place / "home")
    assert machine("verify", "--repo", west).returncode == 0
    for verb in ("verify", "scrub"):
        shown = machine(verb, "--repo", west, "--anchors", told_)
        assert shown.returncode == 67, shown
        assert "replicator repair --repo" in shown.stderr
    assert machine("restore", "latest", "--repo", west, "--to", place / "out").returncode == 67
    part = machine(
        "repair", "--repo", west, "--from", place / "copy", "--from", place / "east", "--anchors", told_, "--json"
    )
    assert part.returncode == 67, part
    assert part.document["log"]["gpt"]["slots"] == [3, 4]
    assert part.document["missing"]["gpt"] == [{"commit": "1.4", "held_by": []}]
    whole = machine("repair", "--repo", west, "--from", place / "whole", "--anchors", told_, "--json")
    assert whole.returncode == 0, whole
    assert whole.document["log"]["gpt"]["slots"] == [5]
    assert machine("verify", "--repo", west, "--anchors", told_).returncode == 0
    assert machine("restore", "latest", "--repo", west, "--to", place / "out").returncode == 0
    assert (place / "out" / "sub" / "step").read_text() == "4"
