"""Gathering, on real repositories, keys and a witness: what is away or broken becomes a fact."""

from __future__ import annotations

import shutil
import time

import pytest

from drstack.errors import EnvironmentUnknown, WitnessUnreachable
from drstack.readiness.backend import ask_backend
from drstack.readiness.drills import last_drill
from drstack.readiness.fitting import Fitting
from drstack.readiness.gathering import nothing_seen
from drstack.readiness.holding import try_keys
from drstack.readiness.judge import judge
from drstack.readiness.situation import Situation
from drstack.readiness.timings import Past
from drstack.recovery.conduct import look, promote
from drstack.recovery.plan import Given
from replicator.crypto.keyfile import _context, read_key
from replicator.crypto.keyring import from_machine
from replicator.crypto.protection import protect
from replicator.errors import KeyAbsent
from replicator.repository.establish import open_at
from replicator.repository.repository import Repository
from replicator.service.once import push_once
from replicator.stores.url import open_store
from replicator.versions.document import Gpu
from replicator.versions.fit import Machine
from tests.drstack.readiness import situations
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.world import Rig
from tests.drstack.spec.declared import LOCAL, parsed
from tests.replicator.train.rig import made, saved

ENCRYPTED = parsed(LOCAL + "replication: {encrypt_to: [recovery, escrow]}\n")
BY = Given(by="ann")


@pytest.fixture
def rig(tmp_path, monkeypatch):
    made = Rig(tmp_path, encrypted=True)
    monkeypatch.setenv("DRSTACK_KEYS", str(made.keys.folder))
    return made


def hold(rig, *also):
    return try_keys(ENCRYPTED, rig.folder, rig.world(), "west", also)


def test_keys_that_sign_and_open_do(rig):
    assert hold(rig).opened is None
    rig.save(10)
    held = hold(rig)
    assert (held.signs, held.opened) == (True, True)
    assert "recovery" in held.recipients


def test_a_promoter_that_is_gone_and_one_that_is_another(rig):
    key = rig.keys.folder / "promoter.key"
    kept = key.read_bytes()
    key.unlink()
    assert "no key that may sign a promotion" in hold(rig).why_not
    shutil.copy(rig.keys.folder / "recovery.key", key)
    held = hold(rig)
    assert not held.signs
    assert not held.locked
    key.write_bytes(kept)
    key.chmod(0o600)
    assert hold(rig).signs


def test_the_standbys_own_reader_is_enough_and_none_is_told(rig):
    rig.save(10)
    for name in ("recovery", "escrow"):
        (rig.keys.folder / f"{name}.key").unlink()
    assert hold(rig).recipients == ()
    own = hold(rig, rig.keys.folder / "sites" / "west")
    assert (own.recipients, own.opened) == (("reader@west",), True)


def test_a_recipient_that_opens_nothing_there_is_told(rig):
    rig.save(10)
    for name in ("recovery", "escrow"):
        (rig.keys.folder / f"{name}.key").unlink()
    other = hold(rig, rig.keys.folder / "sites" / "east")
    assert other.recipients == ("reader@east",)
    assert other.opened in (True, False)
    assert (other.why_closed is None) == other.opened


def test_a_passphrase_is_taken_from_its_file_and_never_asked_for(rig, tmp_path, monkeypatch):
    name = "promoter"
    known = read_key(rig.keys.folder, name)
    seed = known.seed(from_machine())
    protection, secret = protect(seed, _context(name, known.scope, known.suite), b"open sesame", from_machine())
    locked = known.model_copy(update={"protection": protection, "secret": secret})
    (rig.keys.folder / f"{name}.key").write_text(locked.model_dump_json())
    monkeypatch.delenv("DRSTACK_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr("sys.stdin", None)
    assert hold(rig).locked
    (tmp_path / "passphrase").write_text("open sesame\n")
    monkeypatch.setenv("DRSTACK_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    assert hold(rig).signs


def test_no_keys_are_tried_where_nothing_is_encrypted(rig):
    assert try_keys(parsed(), rig.folder, rig.world(), "west", ()) is None


@pytest.mark.parametrize(
    ("error", "id_"),
    [
        (WitnessUnreachable("w: no answer"), "witness-unreachable"),
        (EnvironmentUnknown("no such environment"), "environment-unreadable"),
        (KeyAbsent("no trust.json"), "keys-unusable"),
    ],
)
def test_what_keeps_from_looking_is_the_finding(error, id_):
    made = judge(nothing_seen("e", "memory://w", 5.0, error))
    assert [each.id for each in made.findings] == [id_]
    assert (made.score, made.at) == (0, 5.0)


def test_a_folder_of_state_answers_or_says_why(tmp_path):
    assert ask_backend(tmp_path.as_uri()).answers
    assert "is not there" in ask_backend((tmp_path / "gone").as_uri()).why
    assert ask_backend("ftp://x").answers is None
    assert ask_backend("https://127.0.0.1:1").answers is False


def test_a_promotion_is_timed_and_shows_the_slots_that_it_took(tmp_path):
    fleet = Fleet(tmp_path, names=("a",))
    fleet.save()
    past = Past()
    assert past.timings(fleet.witness(), {}).operations == 0
    promote(fleet.world(), "west", BY)
    timed = past.timings(fleet.witness(), {})
    assert timed.operations == 1
    assert {"restore a", "restore", "start", "seal"} <= set(timed.durations)
    assert timed.capacity["west"][0] == 100
    assert past.timings(fleet.witness(), {}) == timed


def test_drills_on_the_witness_count_for_their_site(tmp_path):
    fleet = Fleet(tmp_path, names=("a",))
    fleet.save()
    log, facts = fleet.witness().drills(), look(fleet.world())
    assert last_drill(fleet.witness(), facts.sites, {}) == {}
    for n, result in enumerate(("passed", "gave way", "failed")):
        log.begin({"id": f"d{n}", "kind": "full", "site": "west", "workloads": ["a"]})
        steps = [
            {"id": "capacity west", "took_s": 2.0, "failure": None},
            {"id": "start a", "took_s": 4.0, "failure": None},
        ]
        log.end(f"d{n}", {"result": result, "ended_at": time.time() + n, "measured": {"steps": steps}})
        drilled = last_drill(fleet.witness(), facts.sites, {})["west"]
        assert drilled.ok == (result != "failed")
    timed = Past().timings(fleet.witness(), {"a": 3})
    assert (timed.operations, timed.capacity["west"][0]) == (1, 3)
    assert timed.durations["start a"] == [4.0]


def test_a_real_fleet_is_judged_and_a_store_that_is_gone_shows(tmp_path):
    fleet = Fleet(tmp_path, names=("a", "b"), places=("east", "west", "north"), on_disk=True)
    fleet.save()

    def judged():
        world = fleet.world()
        facts = look(world)
        return judge(Situation("e", facts.at, "w", facts, world.needs))

    before = judged()
    assert {each.id for each in before.findings} == {"drill-never", "not-proved", "never-timed", "capacity-unproved"}
    assert set(before.workloads["a"].standbys) == {"west", "north"}
    assert all(s.refusal is None for each in before.workloads.values() for s in each.standbys.values())
    shutil.move(fleet.folder / "stores" / "west", fleet.folder / "gone")
    after = judged()
    assert {(f.site, f.workload) for f in after.findings if f.id == "repository-unreachable"} == {
        ("west", "a"),
        ("west", "b"),
    }
    assert (after.workloads["a"].best, after.workloads["a"].standbys["west"].score) == ("north", 0)
    assert after.workloads["a"].standbys["west"].refusal is not None
    assert after.score == before.score


def test_what_a_checkpoint_needs_is_read_whole_only_where_a_standby_has_gpus(tmp_path):
    """Step 5 as a trainer saves it, pushed with its versions beside it, from a machine of which the log says little."""
    url = made(tmp_path / "repo")
    push_once(saved(tmp_path / "outputs", 5), [open_at(url, None)], workload="gpt", step=5, writer="standalone")
    repository = Repository("west", open_store(url))
    what = repository.log("gpt").view().in_order()[-1].what
    commit = situations.commit(5, id=what.id(), root=what.root, versions=what.versions, size_bytes=what.size_bytes)
    there = situations.with_repository(situations.good(), "west", newest=(commit,))
    facts = situations.with_repository(there, "east", newest=()).facts
    reads, fitting = [], Fitting()
    repository.manifest = lambda ref, read=repository.manifest: (reads.append(ref), read(ref))[1]

    def work(machine):
        return fitting.works(facts, {"west": repository}, [None, machine])["gpt"]

    assert work(Machine(gpus=())).sharding.why == "not known"
    assert reads == []
    gpu = Machine(gpus=(Gpu(name="NVIDIA H200", memory_bytes=140 << 30, capability="9.0"),))
    whole = work(gpu)
    assert (whole.state_bytes, whole.sharding.why) == (what.size_bytes, "it is whole")
    once = len(reads)
    assert work(gpu) == whole
    assert len(reads) == once
    assert Fitting().works(facts, {}, [gpu])["gpt"].sharding.why == "not known"
