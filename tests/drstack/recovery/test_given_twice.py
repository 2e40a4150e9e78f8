"""A writer forgot what it had counted and gave a name out again: one checkpoint stands, and the operator is told."""

from __future__ import annotations

import pytest

from drstack.cli.promote import summary
from drstack.errors import OperationConflict
from drstack.recovery.admission import bring_up_to
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from replicator.errors import HeightTaken, NothingToRestore
from replicator.model import CommitId
from replicator.repository.repository import Repository, newest_recovery_point
from replicator.repository.select import select
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.retention.decide import retain
from replicator.retention.policy import Policy
from tests.drstack.recovery.killing import die_at, writes_of
from tests.drstack.recovery.test_interruptions import dying_at, find_again, lose
from tests.drstack.recovery.world import NEED, Rig

BY = Given(by="test")
OTHER = "the open of term 2 names another checkpoint"


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def save(rig: Rig, height: int, step: int, counter: str | None, *, to: tuple[str, ...], receipts: bool = True) -> None:
    source = rig.folder / "source" / f"step-{step:08d}"
    source.mkdir(parents=True, exist_ok=True)
    (source / "weights").write_bytes(step.to_bytes(8, "big") * 64)
    snapshot = take_snapshot(source, ["weights"])
    for name in to:
        push = Push(
            "gpt", source.name, 1, height, step, f"{counter}-{step}", b"s" * 16, snapshot.saved_at, counter=counter
        )
        accepted = ship(push, snapshot, rig.repository(name))
        assert accepted is not None
        if receipts:
            verify(rig.repository(name), "gpt", accepted, name)


def forgotten(rig: Rig, counters: tuple[str | None, str | None] = ("before", "after")) -> None:
    """Both hold 1.1; 1.2 and 1.3 are steps 20 and 30 in the east, and 25 and 35 in the west."""
    before, after = counters
    save(rig, 1, 10, before, to=("east", "west"))
    save(rig, 2, 20, before, to=("east",))
    save(rig, 3, 30, before, to=("east",))
    save(rig, 2, 25, after, to=("west",))
    save(rig, 3, 35, after, to=("west",))


def acknowledge(rig: Rig, *sites: str) -> None:
    """Make assignment 2, which differs in who acknowledges only."""
    current = rig.witness().current()
    part = current.workloads["gpt"].model_copy(update={"acknowledge": sites})
    rig.witness().assign(current.model_copy(update={"number": 2, "workloads": {"gpt": part}, "cause": "extend"}))


def steps(rig: Rig, name: str) -> list[int]:
    return [each.what.step for each in rig.repository(name).log("gpt").view().in_order()]


def void(rig: Rig, name: str) -> list[str]:
    view = rig.repository(name).log("gpt").view()
    return [f"{each.commit}: {each.reason}" for each in view.void if each.kind == "commit"]


@pytest.mark.parametrize("counters", [("before", "after"), (None, None), (None, "after"), ("before", None)])
def test_the_target_s_own_stand_and_the_others_are_void_and_told(rig, counters):
    forgotten(rig, counters)
    assert plan_only(rig.world(), "west", BY).workloads[0].void == ("1.3 in east",)
    end = promote(rig.world(), "west", BY)
    assert (steps(rig, "east"), steps(rig, "west")) == ([10], [10, 25, 35])
    assert void(rig, "east") == [f"1.2: {OTHER} 1.2", f"1.3: {OTHER} 1.3"]
    assert void(rig, "west") == []
    told = [(row["repository"], row["commit"], row["step"]) for row in end["workloads"][0]["void"]]
    assert told == [("east", "1.2", 20), ("east", "1.3", 30)]
    assert "void: 1.3 (step 30) in east: " in summary(end, "west")
    assert "void from now on: 1.2 in east, 1.3 in east" in rig.witness().journals(1)[0].outcome("seal gpt")["detail"]
    assert end["workloads"][0]["step"] == 35
    assert (rig.folder / "west" / "gpt" / "step-00000035" / "weights").read_bytes() == (35).to_bytes(8, "big") * 64
    assert rig.sites["west"].starts[0][1] == 35


def test_those_of_a_repository_that_acknowledges_stand_whoever_is_promoted(rig):
    forgotten(rig)
    acknowledge(rig, "east")
    end = promote(rig.world(), "west", BY)
    assert (steps(rig, "east"), steps(rig, "west")) == ([10, 20, 30], [10])
    chosen = rig.witness().journals(2)[0].outcome("seal gpt")["result"]
    assert (chosen["commit"], chosen["step"], chosen["source"]) == ([1, 3], 30, "east")
    assert end["workloads"][0]["step"] == 30
    assert rig.sites["west"].starts[0][1] == 30


def test_what_is_about_to_be_void_is_no_recovery_point_though_it_alone_has_receipts(rig):
    save(rig, 1, 10, "before", to=("east", "west"))
    save(rig, 2, 20, "before", to=("east",))
    save(rig, 2, 25, "after", to=("west",), receipts=False)
    plan = plan_only(rig.world(), "west", BY)
    assert (plan.workloads[0].step, plan.workloads[0].void) == (10, ("1.2 in east",))
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 10
    assert rig.sites["west"].starts[0][1] == 10


def test_a_repository_that_was_away_voids_its_own_when_it_is_brought_up_and_counts_them_nowhere(rig):
    forgotten(rig)
    lose(rig, "east")
    assert promote(rig.world(), "west", BY)["workloads"][0]["void"] == []
    find_again(rig, "east")
    assert steps(rig, "east") == [10, 20, 30]
    east = rig.repository("east")
    bring_up_to(rig.witness().current(), "gpt", east)
    assert (steps(rig, "east"), steps(rig, "west")) == ([10], [10, 25, 35])
    assert void(rig, "east") == [f"1.2: {OTHER} 1.2", f"1.3: {OTHER} 1.3"]
    east, view = rig.repository("east"), rig.repository("east").log("gpt").view()
    assert select(east, "gpt", "latest").what.step == 10
    assert newest_recovery_point(east, "gpt", ("stored", "decoded")).what.step == 10
    assert retain(view, Policy(last=1), now=0.0, attested=lambda _: True).keep.keys() == {CommitId(1, 1)}
    with pytest.raises(NothingToRestore, match=f"1.3 does not stand: {OTHER} 1.3"):
        select(east, "gpt", "1.3")
    with pytest.raises(NothingToRestore, match="no checkpoint of step 30"):
        select(east, "gpt", "step:30")


def test_a_repository_that_is_back_but_not_brought_up_is_not_heard_with_what_is_another_s_name(rig):
    """The west is promoted with the east away; then back to the east, of which the new term was never opened."""
    forgotten(rig)
    lose(rig, "east")
    promote(rig.world(), "west", BY)
    find_again(rig, "east")
    plan = plan_only(rig.world(), "east", BY)
    assert (plan.workloads[0].step, plan.workloads[0].source, plan.workloads[0].void) == (35, "west", ())
    end = promote(rig.world(), "east", BY)
    assert end["workloads"][0]["step"] == 35
    assert (steps(rig, "east"), steps(rig, "west")) == ([10], [10, 25, 35])
    assert rig.sites["east"].starts[0][1] == 35
    part = rig.witness().current().workloads["gpt"]
    assert [(run.first, run.counter) for run in part.counters["1"]] == [(1, "before"), (2, "after")]


def test_a_repository_that_comes_back_in_the_middle_is_no_rung_with_what_is_another_s_name(rig):
    forgotten(rig)
    lose(rig, "east")
    with dying_at("pin"):
        promote(rig.world(), "west", BY)
    find_again(rig, "east")
    view = rig.repository("west").log("gpt").view()
    for pack in view.accepted[CommitId(1, 3)].where.packs:
        rig.stores["west"].delete(f"packs/{pack.digest[:2]}/{pack.digest}")
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 25
    row = rig.witness().journals(1)[0].outcome("restore gpt")["result"]
    assert [told.split(":")[0] for told in row["passed_over"]] == ["step 35 in west"]


def test_what_a_returned_repository_alone_holds_of_the_same_counter_stands(rig):
    """Passed over at the west, which was slow; nothing there has its name."""
    save(rig, 1, 10, "one", to=("east", "west"))
    save(rig, 2, 20, "one", to=("east",))
    save(rig, 3, 30, "one", to=("east", "west"))
    save(rig, 4, 40, "one", to=("east",))
    lose(rig, "east")
    promote(rig.world(), "west", BY)
    find_again(rig, "east")
    east = rig.repository("east")
    bring_up_to(rig.witness().current(), "gpt", east)
    assert steps(rig, "east") == [10, 20, 30]
    assert void(rig, "east") == ["1.4: the open of term 2 does not cover it"]


def test_the_one_that_stands_can_be_brought_to_the_repository_that_had_the_other(rig):
    forgotten(rig)
    promote(rig.world(), "west", BY)
    for name, step in (("west", 35), ("east", 35)):
        what = rig.repository("west").log("gpt").view().accepted[CommitId(1, 3)].what
        where = rig.repository("west").log("gpt").view().accepted[CommitId(1, 3)].where
        accepted = rig.repository(name).log("gpt").commit(what, lambda _, where=where: where, term=2)
        assert accepted.what.step == step
    assert steps(rig, "east") == [10, 35]


def test_in_a_term_that_goes_on_the_second_is_refused_where_the_first_is(rig):
    forgotten(rig)
    with pytest.raises(HeightTaken):
        save(rig, 3, 35, "after", to=("east",))


@pytest.mark.slow
def test_killed_at_any_write_and_run_again_the_same_ones_stand(tmp_path):
    def made(name):
        rig = Rig(tmp_path / name)
        forgotten(rig)
        return rig, lambda: promote(rig.world(), "west", BY)

    count = writes_of(*made("undisturbed"))
    assert count > 20
    for n in range(count):
        rig, run = made(f"{n}")
        die_at(rig, n, run, count=count, before=n % 2 == 0)
        if n % 3 == 0:
            lose(rig, "east")
        end = promote(rig.world(), "west", BY)
        find_again(rig, "east")
        east = rig.repository("east")
        bring_up_to(rig.witness().current(), "gpt", east)
        assert (steps(rig, "east"), steps(rig, "west")) == ([10], [10, 25, 35]), n
        assert end["workloads"][0]["step"] == 35
        assert len(rig.sites["west"].starts) == 1


def test_a_term_that_was_assigned_and_opened_before_counters_is_the_same_one_for_this_version(rig):
    """Its records are read back, and the open made of them anew is the one that stands."""
    first = rig.witness().current()
    assert "counters" not in first.opened_by("gpt")["workload"]
    for name in ("east", "west"):
        before = rig.repository(name).log("gpt").view().slots
        bring_up_to(first, "gpt", Repository(name, rig.stores[name], clock=lambda: 0.0, keys=rig.keys))
        assert rig.repository(name).log("gpt").view().slots == before


def test_where_both_should_have_acknowledged_neither_was_and_the_target_s_own_stand(rig):
    forgotten(rig)
    acknowledge(rig, "east", "west")
    promote(rig.world(NEED), "west", BY)
    assert steps(rig, "west") == [10, 25, 35]
    with pytest.raises(OperationConflict):
        plan_only(rig.world(), "west", BY)
