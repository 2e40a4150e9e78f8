"""All ranks stand still at one step, or all go on; never some believing one thing and some the other."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.consistency.barrier import StepBarrier


class Notes:
    """A board in memory."""

    def __init__(self):
        self.held = {}
        self.changed = threading.Condition()

    def post(self, key, note):
        with self.changed:
            stands = self.held.setdefault(key, note)
            self.changed.notify_all()
            return stands

    def read(self, key, timeout_s):
        with self.changed:
            self.changed.wait_for(lambda: key in self.held, timeout_s)
            return self.held.get(key)


class Run:
    """Ranks as threads; `late` and `steps` per rank. What each was told, and who stood still while rank 0 worked."""

    def __init__(self, steps, late=None, *, timeout_s=0.15, work_s=5.0, takes_s=0.0):
        self.board, self.told, self.standing, self.seen = Notes(), {}, set(range(1, len(steps))), None
        late = late or {}

        def work():
            time.sleep(takes_s)
            self.seen = set(self.standing)

        def rank(n):
            time.sleep(late.get(n, 0.0))
            barrier = StepBarrier(self.board, n, len(steps), timeout_s)
            told = barrier.hold(steps[n], work, work_s)
            self.standing.discard(n)
            self.told[n] = told

        threads = [threading.Thread(target=rank, args=(n,)) for n in range(len(steps))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)


def test_ranks_at_one_step_stand_still_until_the_work_is_done():
    run = Run([7, 7, 7], takes_s=0.1)
    assert run.seen == {1, 2}
    assert run.told == {0: None, 1: None, 2: None}


def test_a_rank_at_another_step_is_named_and_nobody_waits_for_the_work():
    run = Run([7, 7, 8])
    assert run.seen is None
    assert set(run.told.values()) == {"rank 2 is at step 8, rank 0 at step 7"}


@pytest.mark.slow
def test_a_rank_that_does_not_come_is_named_and_the_others_go_on():
    run = Run([7, 7, 7], {2: 0.8})
    assert run.seen is None
    assert set(run.told.values()) == {"rank 2 did not come within 0.15 s"}


def test_when_rank_0_does_not_come_the_others_go_on_and_it_learns_so():
    run = Run([7, 7], {0: 0.8})
    assert run.seen is None
    assert set(run.told.values()) == {"rank 1 heard nothing within 0.3 s"}


def test_a_rank_that_went_on_during_the_work_voids_it():
    run = Run([7, 7, 7], work_s=0.1, takes_s=0.5)
    assert run.seen == set()
    assert run.told[0] == run.told[1] == run.told[2]
    assert "went on after 0.1 s" in run.told[0]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.02, 0.05, 0.08, 0.12]), min_size=3, max_size=3))
def test_whoever_is_late_all_are_told_the_same_and_work_is_done_only_while_all_stand(late):
    run = Run([1, 1, 1], dict(enumerate(late)), timeout_s=0.06)
    assert len(set(run.told.values())) == 1
    if run.seen is not None:
        assert run.seen == {1, 2}


def test_an_error_in_the_work_lets_the_others_go():
    board = Notes()
    told = []
    other = threading.Thread(target=lambda: told.append(StepBarrier(board, 1, 2, 5).hold(1, lambda: None, 5)))
    other.start()

    def broken():
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        StepBarrier(board, 0, 2, 5).hold(1, broken, 5)
    other.join(10)
    assert told == [None]


def test_rounds_do_not_mix():
    board = Notes()
    one = StepBarrier(board, 0, 1, 1)
    done = []
    for step in (1, 2):
        assert one.hold(step, lambda: done.append(1), 1) is None
    assert done == [1, 1]
