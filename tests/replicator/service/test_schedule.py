"""When a repository is read back and drilled: never more than its share, never early, overdue only when it is."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from replicator.repository.scrub import Place
from replicator.service.schedule import drill_due, drill_overdue, least_rate, scrub_due_bytes, scrub_overdue

WEEK = 7 * 86400.0
times = st.floats(0, 1e7)


@given(st.integers(1, 10**15), st.floats(0, 0.89), st.floats(0, 1))
def test_a_round_reads_its_share_of_the_time_that_went_by_and_no_more(total, share, read):
    done = int(total * read)
    place = Place(after="packs/aa", began_at=1000.0, read_bytes=done)
    due = scrub_due_bytes(place, total, now=1000.0 + share * WEEK, every_s=WEEK)
    assert due + done <= max(done, total * share / 0.9) + 1
    assert due + done >= total * share / 0.9 - 1


@given(times)
def test_a_round_that_is_late_goes_on_however_much_it_read(now):
    assume(now >= 0.9 * WEEK)
    assert scrub_due_bytes(Place(after="packs/aa", read_bytes=10**9), 5, now=now, every_s=WEEK) >= 1


def test_the_first_round_begins_at_once_and_the_next_one_a_period_after_it_began():
    assert scrub_due_bytes(Place(), 5, now=1e6, every_s=WEEK) == 1
    over = Place(began_at=1000.0, ended_at=2000.0, round=2)
    assert scrub_due_bytes(over, 5, now=1000.0 + WEEK - 1, every_s=WEEK) == 0
    assert scrub_due_bytes(over, 5, now=1000.0 + WEEK, every_s=WEEK) == 1
    assert scrub_due_bytes(over, 5, now=500.0, every_s=WEEK) == 1, "a clock that was set back stops nothing"


@given(times, times)
def test_a_drill_is_due_a_period_after_the_last_or_after_there_was_anything_to_drill(last, now):
    assert drill_due(last, now=now, every_s=86400) == (now < last or now >= last + 86400)
    assert not drill_due(None, now=now, every_s=86400)


def test_overdue_is_what_did_not_come_to_an_end_for_one_and_a_half_periods():
    assert not scrub_overdue(Place(), now=1e9, every_s=WEEK), "nothing was there to read yet"
    assert not scrub_overdue(Place(began_at=1.0), now=1.4 * WEEK, every_s=WEEK)
    assert scrub_overdue(Place(began_at=1.0), now=1.6 * WEEK, every_s=WEEK)
    assert scrub_overdue(Place(began_at=5 * WEEK, ended_at=1.0), now=1.6 * WEEK, every_s=WEEK)
    assert drill_overdue(0.0, now=1.6 * WEEK, every_s=WEEK)
    assert not drill_overdue(None, now=1.6 * WEEK, every_s=WEEK)


def test_the_least_rate_ends_a_round_within_its_period():
    assert least_rate(900, 1000) == 1.0
