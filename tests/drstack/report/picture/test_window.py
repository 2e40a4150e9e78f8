from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drstack.report import Phase, StepMark
from drstack.report.picture.lines import lines
from drstack.report.picture.window import window
from tests.drstack.report.recorded import FAILED_AT, recorded

DURATIONS = st.floats(0, 1e6)


@given(rpo_s=DURATIONS, rto_s=DURATIONS, last_s=DURATIONS, first_s=DURATIONS)
def test_the_window_holds_rpo_rto_and_all_phases_and_leaves_room_for_words(rpo_s, rto_s, last_s, first_s):
    phases = (Phase("start", FAILED_AT, FAILED_AT + last_s),)
    steps = (StepMark("east", 1, FAILED_AT - first_s),)
    shown = window(recorded(rpo_s=rpo_s, rto_s=rto_s, phases=phases, steps=steps))
    wide = shown.right_s - shown.left_s
    assert wide > 0
    assert shown.left_s <= -rpo_s
    assert shown.right_s >= max(rto_s, phases[0].ended_at - FAILED_AT)
    assert min(-shown.left_s, shown.right_s) >= 0.2799 * wide
    assert shown.lowest_step <= 30
    assert shown.highest_step >= 41


def test_days_of_training_do_not_squeeze_the_recovery():
    days = tuple(StepMark("east", step, FAILED_AT - (4000 - step) * 60) for step in range(4000))
    shown = window(recorded(steps=days))
    assert shown.right_s - shown.left_s < 60


def test_lost_work_is_told_from_kept_work_and_from_what_the_dead_site_did_later():
    record = recorded()
    record = replace(record, steps=(*record.steps, StepMark("east", 42, FAILED_AT + 12)))
    assert [(each.fate, each.points[0][1], each.points[-1][1]) for each in lines(record, "east")] == [
        ("kept", 1, 30),
        ("lost", 30, 41),
        ("void", 42, 42),
    ]
    assert [(each.fate, each.points[0][1], each.points[-1][1]) for each in lines(record, "west")] == [("kept", 31, 60)]


def test_a_step_number_that_falls_back_begins_a_new_line():
    steps = tuple(StepMark("west", step, FAILED_AT + at) for at, step in enumerate([31, 32, 31, 32, 33]))
    assert [len(each.points) for each in lines(recorded(steps=steps), "west")] == [2, 3]
