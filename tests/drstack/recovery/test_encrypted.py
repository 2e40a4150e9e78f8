"""A promotion of an encrypted environment: who can carry it out, with which keys, and whose word counts after it."""

from __future__ import annotations

import os
import shutil

import pytest

from drstack.custody.make import extend
from drstack.custody.readiness import readiness
from drstack.custody.ring import listed
from drstack.custody.rotate import end_old, successors, wrap_to_reader, writers_to_open
from drstack.errors import PromotionRefused
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.plan import Given
from drstack.spec.keys import key_name
from replicator.crypto.founding import Wanted
from replicator.crypto.keyring import Keyring
from replicator.errors import KeyAbsent, Sealed, SignatureRefused
from replicator.log.authority import Authority
from replicator.repository.readiness import note_restore
from replicator.repository.restore import restore
from tests.drstack.recovery.killing import die_at, writes_of
from tests.drstack.recovery.world import CUSTODY, SOAK, Rig
from tests.drstack.spec.declared import LOCAL, parsed

ENCRYPTED = LOCAL + "replication: {encrypt_to: [recovery, escrow]}\n"
BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path, encrypted=True)


def of(rig: Rig, *names: str) -> Keyring:
    """An operator who has these keys of custody, and no other."""
    folder = rig.folder / f"operator-{'-'.join(names) or 'none'}"
    folder.mkdir(exist_ok=True)
    for file in ("trust.json", *(f"{name}.key" for name in names)):
        shutil.copy2(rig.keys.folder / file, folder / file)
    return Keyring(folder)


def world_with(rig: Rig, keys: Keyring):
    rig.keys, before = keys, rig.keys
    try:
        return rig.world()
    finally:
        rig.keys = before


def everything(rig: Rig) -> dict[str, list[str]]:
    kinds = ("log", "packs", "manifests", "receipts", "keys", "restores", "e")
    return {name: sorted(key for kind in kinds for key in store.list(kind)) for name, store in rig.stores.items()}


def test_a_promotion_lists_the_keys_of_who_writes_now_and_restores_what_was_saved(rig):
    rig.save(10)
    assert rig.witness().current().workloads["gpt"].keys == listed(rig.keys.trust, "east")
    end = promote(rig.world(), "west", BY)
    assert (end["result"], end["workloads"][0]["step"]) == ("promoted", 10)
    back = rig.sites["west"].checkpoints("gpt") / "step-00000010" / "weights"
    assert back.read_bytes() == (10).to_bytes(8, "big") * 64
    keys = rig.witness().current().workloads["gpt"].keys
    assert "writer@west" in keys
    assert "writer@east" not in keys
    assert {"keeper@east", "keeper@west", "verifier@east", "verifier@west"} < set(keys)
    for name in ("east", "west"):
        opened = rig.repository(name).log("gpt").view().opened[2]
        assert tuple(opened.assignment["workload"]["keys"]) == keys
    rig.save(20, term=2)
    assert look(rig.world()).workloads["gpt"].repositories["west"].newest[0].step == 20


def test_without_the_promoters_key_nothing_is_touched_and_the_key_is_named(rig):
    rig.save(10)
    before = everything(rig)
    with pytest.raises(KeyAbsent, match="a promotion to west: that takes the role promoter") as told:
        promote(world_with(rig, of(rig, "recovery")), "west", BY)
    assert told.value.hint == "Copy promoter.key there."
    with pytest.raises(KeyAbsent, match=r"private key of no recipient \(recovery, escrow"):
        promote(world_with(rig, of(rig, "promoter")), "west", BY)
    assert everything(rig) == before
    assert rig.sites["east"].fenced == 0
    assert plan_only(world_with(rig, of(rig)), "west", BY).target == "west", "looking takes the trust file alone"


def test_the_promoters_key_and_one_recipient_are_enough_whoever_it_is(rig):
    rig.save(10)
    assert promote(world_with(rig, of(rig, "promoter", "escrow")), "west", BY)["result"] == "promoted"
    rig.save(20, term=2)
    reader = Keyring(of(rig, "promoter").folder, also=[rig.keys.folder / "sites" / "east"])
    end = promote(world_with(rig, reader), "east", BY)
    assert end["workloads"][0]["step"] == 20


def test_a_site_can_neither_promote_nor_write_in_another_sites_name(rig):
    rig.save(10)
    with pytest.raises(KeyAbsent, match="role promoter"):
        rig.at("west", "west").log("gpt").seal(1, reason="mutiny")
    with pytest.raises(KeyAbsent, match="a checkpoint: that takes the role writer"):
        late_commit(rig, by="west", term=1)
    custody = of(rig)
    for name in ("writer@east", "promoter", *CUSTODY):
        assert name not in rig.keys_of("west").names()
        assert name not in custody.names()


def late_commit(rig: Rig, *, by: str, term: int, to: str = "west"):
    """A commit like the newest one, as programs of `by` would make it in `term`."""
    repository = rig.at(by, to)
    log = repository.log("gpt")
    newest = max(log.view().accepted.values(), key=lambda accepted: accepted.what.id())
    what = newest.what.model_copy(update={"term": term, "height": newest.what.height + 7, "attempt": "late"})
    return log.commit(what, lambda _: newest.where, term=term)


def test_a_late_commit_of_the_replaced_writer_is_refused_in_its_term_and_in_the_next(rig):
    rig.save(10)
    promote(rig.world(), "west", BY)
    with pytest.raises(Sealed):
        late_commit(rig, by="east", term=1)
    with pytest.raises(KeyAbsent, match="a checkpoint"):
        late_commit(rig, by="east", term=2)
    assert late_commit(rig, by="west", term=2).what.term == 2


def test_a_reader_refuses_what_a_writer_forced_into_a_term_that_does_not_list_it(rig, monkeypatch):
    """The replaced writer's program is its own: it may leave out what ours asks before it writes."""
    rig.save(10)
    promote(rig.world(), "west", BY)
    with monkeypatch.context() as patch:
        patch.setattr(Authority, "_require", lambda *_: None)
        patch.setattr(Authority, "among", lambda *_: None)
        patch.setattr(Authority, "vouch", lambda self, what: self._notary.vouch(what))
        late_commit(rig, by="east", term=2)
    with pytest.raises(SignatureRefused, match="the assignment of term 2 does not list key writer@east"):
        rig.repository("west").log("gpt").view()
    assert "does not list key writer@east" in look(rig.world()).workloads["gpt"].repositories["west"].why


@pytest.mark.slow
def test_killed_at_any_write_an_encrypted_promotion_comes_to_one_end(tmp_path):
    def saved(name):
        rig = Rig(tmp_path / name, encrypted=True)
        rig.save(10)
        return rig, lambda: promote(rig.world(), "west", BY)

    count = writes_of(*saved("undisturbed"))
    for n in range(0, count, 1 if SOAK else 4):
        rig, run = saved(f"{n}")
        die_at(rig, n, run, count=count, before=False)
        assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 10
        assert rig.witness().current().workloads["gpt"].keys == listed(rig.keys.trust, "west")


def test_a_rolled_back_repository_is_refused_though_the_witness_saw_nothing_of_it(rig):
    rig.save(10)
    rig.save(20)
    look(rig.world())
    for key in sorted(rig.stores["west"].list("log/gpt"))[-1:]:
        rig.stores["west"].delete(key)
    with pytest.raises(PromotionRefused, match="rolled back"):
        plan_only(rig.world(), "west", BY)


def test_it_is_not_ready_until_a_recipient_in_custody_restored_and_a_sites_reader_is_none(rig, tmp_path):
    rig.save(10)
    writers = {"gpt": "east"}

    def ready():
        return readiness(rig.keys, {name: rig.repository(name) for name in ("east", "west")}, writers)

    assert ready().restored_by == ()
    assert ready().command.startswith("drstack restore latest --repo ")
    assert f"--keys {rig.keys.folder}" in ready().command
    for keys, by in ((rig.keys_of("west"), "reader@west"), (of(rig, "escrow"), "escrow")):
        repository = rig.at("west", "west")
        repository.keys = keys
        accepted = repository.log("gpt").view().in_order()[-1]
        restore(repository, accepted, tmp_path / "back" / by)
        assert note_restore(repository, accepted) == by
        assert ready().ready is (by == "escrow")
    assert ready().restored_by == ("escrow",)
    assert readiness(None, {}, writers).document()["suite"] == "none"


def rotated(rig: Rig, site: str, *, upto: str = "revoke"):
    """A rotation by its parts, as `drstack keys rotate` does them."""
    made = successors(parsed(ENCRYPTED), site, rig.keys.trust)
    folder = rig.keys.folder / "sites" / site
    extend(rig.keys, made.new)
    repositories = {name: rig.repository(name) for name in ("east", "west")}
    assert wrap_to_reader(rig.keys, made, repositories) == []
    if upto == "wrap":
        return made
    before = rig.keys_for
    rig.keys_for = lambda writer: made.lists(rig.keys.trust, writer)
    for writer in writers_to_open(rig.witness().current(), made):
        promote(rig.world(), writer, Given(by="test", reason="stolen", reopen="keys"))
    rig.keys_for = before
    if upto == "open":
        return made
    end_old(rig.keys, made.old, {name: rig.repository(name) for name in ("east", "west")}, "stolen")
    for name in made.old:
        (folder / f"{name}.key").unlink()
    return made


def test_a_rotation_takes_effect_by_an_assignment_and_leaves_what_was_signed_before(rig, tmp_path):
    rig.save(10)
    old = {name: (rig.keys.folder / "sites" / "east" / f"{name}.key").read_bytes() for name in ("writer@east",)}
    made = rotated(rig, "east")
    current = rig.witness().current()
    assert (current.number, current.cause, current.writer("gpt")) == (2, "keys", "east")
    assert "writer@east.2" in current.workloads["gpt"].keys
    assert not set(made.old) & set(current.workloads["gpt"].keys)
    assert rig.sites["east"].starts == [], "what runs goes on running"
    rig.save(20, term=2)
    point = look(rig.world()).workloads["gpt"].repositories["west"].newest[0]
    assert (point.step, point.receipts) == (20, ("stored", "decoded"))
    assert {s.what.step for s in rig.repository("west").log("gpt").view().in_order()} == {10, 20}
    for name, body in old.items():
        (rig.keys.folder / "sites" / "east" / f"{name}.key").write_bytes(body)
        (rig.keys.folder / "sites" / "east" / f"{name}.key").chmod(0o600)
    (rig.keys.folder / "sites" / "east" / "writer@east.2.key").rename(tmp_path / "away.key")
    shutil.rmtree(rig.folder / "keys-of-east")
    with pytest.raises(KeyAbsent):
        late_commit(rig, by="east", term=2)
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 20


def test_a_rotation_that_was_interrupted_is_taken_up_and_not_begun_again(rig):
    rig.save(10)
    for upto in ("wrap", "open", "revoke"):
        made = rotated(rig, "east", upto=upto)
        assert [each.name for each in made.new] == [
            key_name(r, "east", 2) for r in ("writer", "keeper", "verifier", "reader")
        ]
    assert [each.cause for each in rig.witness().assignments()] == ["create", "keys"]
    assert rotated(rig, "east").new[0] == Wanted("writer@east.3", "writer", "sites/east")


def test_what_a_rotated_verifier_and_reader_said_and_read_stays(rig, tmp_path):
    rig.save(10)
    rotated(rig, "west")
    repository = rig.at("west", "west")
    [accepted] = repository.log("gpt").view().in_order()
    assert repository.receipts.levels("gpt", accepted.slot, ("stored", "decoded")) == {"stored": True, "decoded": True}
    assert repository.keys.recipients()[0].name == "reader@west.2"
    assert restore(repository, accepted, tmp_path / "back").files == 1


def test_a_prover_signs_its_word_as_the_sites_verifier(rig):
    rig.save(10)
    rig.prove(10)
    repository = rig.at("west", "west")
    [accepted] = repository.log("gpt").view().in_order()
    log = repository.receipts._log("gpt", accepted.slot, "proved", "west")
    assert [record.signer for record in log.read()] == ["verifier@west"]


def test_an_environment_without_keys_is_promoted_as_before(tmp_path):
    plain = Rig(tmp_path)
    if os.environ.get("DRSTACK_SOAK"):
        pytest.skip("at length all rigs have keys")
    plain.save(10)
    assert promote(plain.world(), "west", BY)["result"] == "promoted"
    assert plain.witness().current().workloads["gpt"].keys == ()
