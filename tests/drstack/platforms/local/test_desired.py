from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.errors import ActuatorFailed, FencedSince
from drstack.platforms.local import jobs
from drstack.platforms.local.desired import Desired, DesiredJob, Program, Serving, change, parse, read_desired
from drstack.platforms.local.fence import fence_workloads
from drstack.platforms.local.folder import site_folder

JOB = DesiredJob(
    True, 3, "t", True, 30, 2, (0, 1), 4000, "r", 0, Program("m", (), ("--a",), {"B": "c"}, "checkpoints/x")
)


def test_reads_what_it_wrote():
    desired = Desired(5, None, {"gpt": JOB, "chat": replace(JOB, running=False, slots=(2, 3))})
    assert parse(asdict(desired), "x") == desired


def test_a_slot_runs_the_rank_that_a_job_gives_it():
    desired = Desired(4, None, {"gpt": replace(JOB, slots=(2, 0))})
    assert desired.assigned(0) == ("gpt", desired.jobs["gpt"], 1)
    assert desired.assigned(2) == ("gpt", desired.jobs["gpt"], 0)
    assert desired.assigned(1) is None
    assert desired.stopped().assigned(0) is None
    assert replace(desired, fenced="x").assigned(0) is None


@given(st.integers(0, 8), st.integers(1, 4), st.integers(1, 4))
def test_two_jobs_never_share_a_slot(slots, first, second):
    desired = Desired(slots)
    if (taken := desired.free_slots(first, "a")) is None:
        assert slots < first
        return
    desired = desired.with_job("a", replace(JOB, slots=taken))
    other = desired.free_slots(second, "b")
    assert (other is None) == (slots - first < second)
    assert not set(taken) & set(other or ())


def test_a_site_that_comes_back_as_standby_runs_nothing_and_has_its_standby_slots():
    back = Desired(5, "fenced", {"gpt": JOB}).taken_back(set(), 1)
    assert (back.slots, back.fenced, back.jobs["gpt"].running) == (1, None, False)


def test_a_site_that_comes_back_as_writer_keeps_its_values():
    back = Desired(5, None, {"gpt": JOB}).taken_back({"gpt"}, 1)
    assert back == Desired(5, None, {"gpt": JOB})


CHAT = replace(
    JOB,
    ranks=1,
    slots=(2,),
    program=Program("s", (), (), {}, "serving/chat", serving=Serving("gpt", ("stored", "decoded"))),
)


def test_reads_what_it_wrote_of_replicas():
    desired = Desired(5, None, {"chat": CHAT, "gpt": JOB})
    assert parse(asdict(desired), "x") == desired


def test_replicas_run_again_where_a_standby_has_slots_for_them():
    back = Desired(5, "fenced", {"gpt": JOB, "chat": replace(CHAT, running=False)}).taken_back(set(), 1)
    assert (back.jobs["chat"].running, back.jobs["chat"].slots, back.jobs["gpt"].running) == (True, (0,), False)
    assert not Desired(5, "fenced", {"chat": CHAT}).taken_back(set(), 0).jobs["chat"].running
    kept = Desired(5, None, {"gpt": JOB, "chat": CHAT}).taken_back({"gpt"}, 1)
    assert kept.jobs["gpt"] == JOB
    assert set(kept.jobs["chat"].slots).isdisjoint(JOB.slots)


def test_a_damaged_file_is_an_error_and_never_an_empty_pool(tmp_path):
    folder = site_folder(tmp_path)
    folder.pool.mkdir()
    assert read_desired(folder) is None
    change(folder, lambda now: Desired(2))
    folder.desired.write_text('{"slots": 1}')
    with pytest.raises(ActuatorFailed, match=r"desired\.json"):
        read_desired(folder)
    folder.desired.write_text('{"slots"')
    with pytest.raises(ActuatorFailed, match=r"desired\.json"):
        read_desired(folder)


def test_a_fence_of_some_stops_and_bars_each_before_it_waits_for_the_first(tmp_path, monkeypatch):
    folder = site_folder(tmp_path)
    folder.pool.mkdir(parents=True)
    jobs_of = {name: replace(JOB, slots=(n,), ranks=1) for n, name in enumerate("abc")}
    change(folder, lambda _: Desired(5, None, jobs_of))

    def stuck(*_given, **_told):
        raise ActuatorFailed("a does not stop within 5 s")

    monkeypatch.setattr(jobs, "stop", stuck)
    assert fence_workloads(folder, ["a", "b"], deadline_s=5, order="3-1").grade == "assumed"
    left = read_desired(folder)
    assert {name: job.running for name, job in left.jobs.items()} == {"a": False, "b": False, "c": True}
    assert left.barred == {"a": "3-1", "b": "3-1"}
    left.require_admitted("3-0", "east", "c")
    with pytest.raises(FencedSince):
        left.require_admitted("3-0", "east", "b")
    assert parse(asdict(left), "x") == left
