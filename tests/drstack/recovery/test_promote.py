"""A promotion on real logs: its order, its single end, and what it refuses."""

from __future__ import annotations

import threading

import pytest

from drstack.errors import ConsentRequired, NotReady, OperationConflict, PlanStale, PromotionRefused, StepFailed
from drstack.recovery import sealing
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import PHASES, Given, Need
from replicator.errors import Sealed
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.killing import die_at, writes_of
from tests.drstack.recovery.world import NEED, Away, Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_the_standby_writes_and_resumes_the_newest_recovery_point(rig):
    rig.save(10)
    rig.save(20)
    end = promote(rig.world(), "west", BY)
    assert end["result"] == "promoted"
    assert end["workloads"][0]["step"] == 20
    assert rig.witness().current().workloads["gpt"].writer == "west"
    assert rig.witness().current().workloads["gpt"].term == 2
    assert (rig.folder / "west" / "gpt" / "step-00000020" / "weights").read_bytes() == (20).to_bytes(8, "big") * 64
    assert rig.sites["west"].capacity == 5


def test_what_an_earlier_stay_left_at_the_target_is_out_of_the_way_before_its_log_lets_it_write(rig, monkeypatch):
    """Else its replicator would commit an old tail as the first checkpoint of the new term."""
    rig.save(10)
    folder = rig.sites["west"].checkpoints("gpt")
    (folder / "step-00000099").mkdir(parents=True)
    seen = []
    opens = sealing.open_all
    monkeypatch.setattr(sealing, "open_all", lambda *given: (seen.append(sorted(folder.iterdir())), opens(*given))[1])
    promote(rig.world(), "west", BY)
    assert seen == [[]]
    assert list(folder.parent.glob("gpt.quarantine/*/step-00000099"))


def test_the_old_writer_is_refused_in_every_repository(rig):
    rig.save(10)
    promote(rig.world(), "west", BY)
    for name in ("east", "west"):
        with pytest.raises(Sealed):
            rig.save(20, to=(name,))


def test_phases_have_their_fixed_names_and_those_up_to_the_start_add_up_to_the_recovery_time(rig):
    rig.save(10)
    end = promote(rig.world(), "west", Given(by="test", failed_at=rig.witness().now()))
    names = [name for name in PHASES if name not in ("quiesce", "ship", "lease")]
    assert [phase["name"] for phase in end["phases"]] == names
    upto = names.index("start") + 1
    assert sum(phase["seconds"] for phase in end["phases"][:upto]) == pytest.approx(end["rto_s"], abs=1e-3)


def test_a_second_promotion_finds_nothing_to_do(rig):
    rig.save(10)
    first = promote(rig.world(), "west", BY)
    second = promote(rig.world(), "west", BY)
    assert second["already"] is True
    assert second["number"] == first["number"]
    assert len(rig.sites["west"].starts) == 1


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_write_and_run_again_it_comes_to_the_same_single_end(tmp_path, before):
    def saved(name):
        rig = Rig(tmp_path / name)
        rig.save(10)
        return rig, lambda: promote(rig.world(), "west", BY)

    count = writes_of(*saved("undisturbed"))
    assert count > 20
    for n in range(count):
        rig, run = saved(f"{n}")
        die_at(rig, n, run, count=count, before=before)
        end = promote(rig.world(), "west", BY)
        assert end["result"] == "promoted"
        assert end["workloads"][0]["step"] == 10
        assert [each.cause for each in rig.witness().assignments()] == ["create", "promote"]
        assert len(rig.sites["west"].starts) == 1
        for name in ("east", "west"):
            view = rig.repository(name).log("gpt").view()
            assert view.term == 2
            assert view.heads() == {"1": 1}


def test_two_promotions_at_once_to_one_site_have_one_end(rig):
    rig.save(10)
    ends, errors = [], []

    def run() -> None:
        try:
            ends.append(promote(rig.world(), "west", BY))
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert {end["number"] for end in ends} == {2}
    assert len(rig.witness().assignments()) == 2
    assert len(rig.sites["west"].starts) == 1


def test_an_unfinished_promotion_to_another_site_is_in_the_way(rig):
    rig.save(10)
    die_at(rig, 1, lambda: promote(rig.world(), "west", BY), count=9, before=False)
    with pytest.raises(OperationConflict, match="west"):
        promote(rig.world(), "east", BY)


def test_refuses_where_nothing_has_its_receipts(rig):
    rig.save(10, receipts=False)
    with pytest.raises(PromotionRefused, match="receipts stored, decoded"):
        promote(rig.world(), "west", BY)
    assert len(rig.witness().assignments()) == 1
    assert rig.repository("west").log("gpt").view().sealed == 0


def test_refuses_a_loss_beyond_the_objective_unless_it_is_accepted_with_a_reason(rig):
    rig.save(10)
    late = rig.witness().now() + 600
    with pytest.raises(PromotionRefused, match="objective"):
        promote(rig.world(), "west", Given(by="test", failed_at=late))
    with pytest.raises(ConsentRequired, match="reason"):
        promote(rig.world(), "west", Given(by="test", failed_at=late, data_loss_s=900))
    end = promote(rig.world(), "west", Given(by="test", failed_at=late, data_loss_s=900, reason="region gone"))
    assert end["result"] == "promoted"
    consents = rig.witness().current().consents
    assert [(c.kind, c.reason) for c in consents] == [("data-loss", "region gone")]


def test_an_acknowledging_repository_out_of_reach_is_unknown_loss_and_needs_consent(rig):
    rig.save(10)
    current = rig.witness().current()
    part = current.workloads["gpt"].model_copy(update={"acknowledge": ("east",)})
    rig.witness().assign(current.model_copy(update={"number": 2, "workloads": {"gpt": part}, "cause": "extend"}))

    rig.wrap = lambda name, store: FaultyStore(store, Away()) if name == "east" else store
    with pytest.raises(ConsentRequired, match="unknown loss"):
        promote(rig.world(), "west", BY)
    end = promote(rig.world(), "west", Given(by="test", data_loss_s=float("inf"), reason="east burnt down"))
    assert end["result"] == "promoted"
    consent = rig.witness().current().consents[0]
    assert (consent.kind, consent.value, consent.reason) == ("unknown-loss", "east", "east burnt down")


def test_refuses_a_standby_that_is_away_or_too_small(rig):
    rig.save(10)
    rig.sites["west"].bound = 1
    with pytest.raises(NotReady, match="needs 2"):
        promote(rig.world(), "west", BY)
    rig.sites["west"].reachable = False
    with pytest.raises(NotReady, match="taken away"):
        promote(rig.world(), "west", BY)


def test_a_plan_file_is_refused_once_the_term_moved_or_more_would_be_lost(rig):
    rig.save(10)
    agreed = plan_only(rig.world(), "west", BY).document()
    wide = Need(rpo_s=6000.0, rto_s=60.0, demanded=NEED.demanded, ranks=2)
    with pytest.raises(PlanStale, match="would lose"):
        promote(rig.world(wide), "west", Given(by="test", failed_at=rig.witness().now() + 600), agreed=agreed)
    current = rig.witness().current()
    rig.witness().assign(current.model_copy(update={"number": 2, "cause": "extend"}))
    with pytest.raises(PlanStale, match="assignment 2"):
        promote(rig.world(), "west", BY, agreed=agreed)


def test_a_plan_touches_nothing_and_has_the_same_hash_twice(rig):
    rig.save(10)
    first, second = (plan_only(rig.world(), "west", BY) for _ in range(2))
    assert first.hash() == second.hash()
    assert rig.repository("west").log("gpt").view().sealed == 0
    assert rig.witness().journals(1) == []


def test_a_damaged_recovery_point_falls_back_to_an_older_one_within_the_agreed_loss(rig):
    rig.save(10)
    rig.save(20)
    newest = rig.repository("west").log("gpt").view().in_order()[-1]
    for name in ("east", "west"):
        store = rig.stores[name]
        view = rig.repository(name).log("gpt").view()
        for pack in view.accepted[newest.what.id()].where.packs:
            key = f"packs/{pack.digest[:2]}/{pack.digest}"
            body = bytearray(store.get(key))
            body[-1] ^= 1
            store.delete(key)
            store.create(key, bytes(body))
    end = promote(rig.world(), "west", BY)
    assert end["workloads"][0]["step"] == 10
    assert rig.sites["west"].starts[0][1] == 10


def test_what_lies_in_the_trainers_way_is_moved_aside_and_nothing_is_deleted(rig):
    rig.save(10)
    stale = rig.folder / "west" / "gpt" / "step-00000090"
    stale.mkdir(parents=True)
    (stale / "weights").write_text("an old tail")
    promote(rig.world(), "west", BY)
    assert [path.name for path in (rig.folder / "west" / "gpt").iterdir()] == ["step-00000010"]
    kept = list((rig.folder / "west").glob("gpt.quarantine/*/step-00000090/weights"))
    assert [path.read_text() for path in kept] == ["an old tail"]


def test_a_site_without_its_replicator_is_not_started_and_the_promotion_is_taken_up_once_it_has_one(rig):
    rig.save(10)
    rig.sites["west"].replicator = False
    with pytest.raises(StepFailed, match="no replicator"):
        promote(rig.world(), "west", BY)
    assert rig.sites["west"].starts == []
    rig.sites["west"].replicator = True
    assert promote(rig.world(), "west", BY)["result"] == "promoted"


def test_every_step_is_journalled_with_intent_before_and_outcome_after(rig):
    rig.save(10)
    promote(rig.world(), "west", BY)
    journal = rig.witness().journals(1)[0]
    kinds = [(r.kind, r.body.get("step")) for r in journal.records()]
    steps = {step["id"]: step["after"] for step in journal.plan()["steps"]}
    assert {"fence east", "seal gpt", "assign", "restore gpt", "capacity west", "start gpt", "reconcile"} <= set(steps)
    for step, after in steps.items():
        assert kinds.index(("intent", step)) < kinds.index(("outcome", step))
        assert all(kinds.index(("outcome", each)) < kinds.index(("intent", step)) for each in after)
    assert kinds[0][0] == "plan"
    assert kinds[-1][0] == "end"
