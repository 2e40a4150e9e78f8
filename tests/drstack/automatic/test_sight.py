"""What an observer remembers of what it saw: durations by its own clock, broken by any change."""

from __future__ import annotations

from drstack.automatic.sight import Glance, Held, Job, Memory, Place, Sight, outline


def glance(*, reachable=True, step=1, running=True, failure=None, lease=1, head=(1, 1), capacity=3):
    place = Place(reachable, capacity=capacity, bound=3, jobs={"gpt": Job(running, step, failure, 1)})
    return Glance(1, {"east": place}, {"gpt": head}, {"gpt": Held(lease, 1, 30.0)})


def seen(*looks):
    """The last sight of these looks, ten seconds apart."""
    memory = Memory()
    for n, each in enumerate(looks):
        last = memory.see(each, 1000.0 + 10 * n)
    return last


def test_the_first_look_knows_no_past():
    first = seen(glance(reachable=False))
    assert (first.sites["east"].for_s, first.sites["east"].looks) == (0.0, 1)
    assert first.leases["gpt"].still_for_s == first.heads_still_for_s["gpt"] == 0.0


def test_a_loss_of_sight_counts_from_its_first_look_and_any_sight_breaks_it():
    lost, here = glance(reachable=False), glance()
    east = seen(here, lost, lost, lost).sites["east"]
    assert (east.for_s, east.looks) == (20.0, 3)
    assert seen(lost, lost, here, lost).sites["east"].for_s == 0.0


def test_a_lease_and_a_head_stand_still_until_they_move():
    assert seen(glance(), glance(), glance()).leases["gpt"].still_for_s == 20.0
    assert seen(glance(), glance(), glance(lease=2)).leases["gpt"].still_for_s == 0.0
    assert seen(glance(), glance(), glance(head=(1, 2))).heads_still_for_s["gpt"] == 0.0
    assert seen(glance(), glance(head=None), glance(head=None)).heads_still_for_s["gpt"] == 20.0


def test_a_job_is_down_only_after_a_failure_and_while_it_does_not_run():
    failed = glance(running=False, failure="exited 3")
    assert seen(glance(), failed, failed, failed).sites["east"].jobs["gpt"].down_for_s == 20.0
    assert seen(failed, failed, glance(failure="exited 3")).sites["east"].jobs["gpt"].down_for_s == 0.0
    assert seen(*[glance(running=False)] * 3).sites["east"].jobs["gpt"].down_for_s == 0.0


def test_steps_and_times_alone_are_not_worth_a_record():
    assert outline(seen(glance(step=1))) == outline(seen(glance(step=1), glance(step=9, lease=4)))
    assert outline(seen(glance())) != outline(seen(glance(reachable=False)))
    assert outline(seen(glance())) != outline(seen(glance(capacity=2)))


def test_a_sight_survives_its_record():
    sight = seen(glance(), glance(reachable=False))
    assert Sight.model_validate_json(sight.model_dump_json()) == sight
