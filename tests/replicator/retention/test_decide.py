"""What each rule keeps, in its own words, and what no policy ever lets go of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.log.entries import Pin
from replicator.log.replay import replay
from replicator.model import CommitId, Id
from replicator.retention.decide import retain
from replicator.retention.policy import EVERY, Policy, period
from tests.replicator.retention.logs import commit, opening

HOUR, DAY = 3600.0, 86400.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def kept(entries, policy, *, now=NOON, attested=lambda _: True, proved=lambda _: False):
    decision = retain(replay(entries), policy, now=now, attested=attested, proved=proved)
    return {f"{key}": why for key, why in decision.keep.items()}


def every(hours: float, count: int):
    """`count` checkpoints, the newest at noon, one every so many hours."""
    return [opening(), *(commit(n, NOON - (count - n) * hours * HOUR) for n in range(1, count + 1))]


def test_one_for_each_of_the_last_days_is_kept_the_newest_of_each():
    found = kept(every(6, 20), Policy(daily=3))
    assert found == {
        "1.20": ("the newest with its receipts", "the newest", "daily: 2026-03-01"),
        "1.17": ("daily: 2026-02-28",),
        "1.13": ("daily: 2026-02-27",),
    }


@pytest.mark.parametrize(("name", "hours", "expected"), [
    ("hourly", 0.5, {20, 19, 17}), ("daily", 12, {20, 19, 17}), ("weekly", 84, {20, 19, 17}),
    ("monthly", 24 * 14, {20, 19, 17}), ("yearly", 24 * 200, {20, 19, 17}),
])  # fmt: skip
def test_every_kind_of_period_is_counted_backwards_and_empty_ones_do_not_count(name, hours, expected):
    found = kept(every(hours, 20), Policy(**{name: 3}))
    assert len(found) == 3
    assert "1.20" in found
    days = {period(name, NOON - (20 - int(key.partition(".")[2])) * hours * HOUR) for key in found}
    assert len(days) == 3, expected
    gap = [opening(), commit(1, NOON - 400 * DAY), commit(2, NOON - 300 * DAY), commit(3, NOON)]
    if name != "yearly":
        assert set(kept(gap, Policy(**{name: 3}))) == {"1.1", "1.2", "1.3"}


def test_a_period_is_kept_by_a_sound_one_though_a_newer_one_in_it_is_suspect_or_has_no_receipts():
    entries = [
        opening(), commit(1, NOON - 30 * HOUR), commit(2, NOON - 28 * HOUR), commit(3, NOON - 27 * HOUR, suspect=True),
        commit(4, NOON),
    ]  # fmt: skip
    found = kept(entries, Policy(daily=2), attested=lambda each: each.what.height != 2)
    assert found["1.1"] == ("daily: 2026-02-28",)
    assert set(found) == {"1.1", "1.4"}


def test_reasons_add_up_and_holds_come_first():
    entries = every(6, 5)
    entries += [
        Pin(term=1, name="a-restore", commit=Id(term=1, height=1), reason="x"),
        Pin(term=1, name="hold/case-7", commit=Id(term=1, height=1), reason="legal: court"),
    ]
    found = kept(entries, Policy(last=1))
    assert found["1.1"] == ("held as case-7", "pinned as a-restore")
    assert set(found) == {"1.1", "1.5"}
    decision = retain(replay(entries), Policy(last=1, daily=7), now=NOON, attested=lambda _: True)
    assert set(decision.drop.values()) == {"beyond the newest 1, 7 daily"}


def test_what_is_young_stays():
    found = kept(every(6, 8), Policy(last=1, min_age_s=13 * HOUR))
    assert set(found) == {"1.8", "1.7", "1.6"}


def test_a_clock_in_the_future_takes_no_period_from_the_others():
    entries = [opening(), commit(1, NOON - DAY), commit(2, NOON + 900 * DAY), commit(3, NOON)]
    assert set(kept(entries, Policy(daily=2))) == {"1.1", "1.3"}


def test_times_that_no_calendar_has_are_put_to_its_ends():
    for name in EVERY:
        assert period(name, -1e300) == period(name, 0.0)
        assert period(name, 1e300) == period(name, 253_402_214_400.0)


def test_the_branch_that_the_run_goes_on_from_is_kept_before_newer_ones_that_were_left():
    entries = [
        opening(), *(commit(n, NOON - (9 - n) * DAY) for n in range(1, 6)), opening(2, (1, 2), {"1": 5}),
        commit(1, NOON, term=2),
    ]  # fmt: skip
    found = kept(entries, Policy(last=2), attested=lambda each: each.what.term == 1)
    assert set(found) == {"2.1", "1.2", "1.5"}
    assert "the newest with its receipts" in found["1.2"]
    assert set(kept(entries, Policy(daily=3))) == {"2.1", "1.2", "1.1"}


def test_a_policy_that_names_nothing_is_refused():
    with pytest.raises(ValueError, match="names nothing to keep"):
        Policy(min_age_s=5)


COMMITS = st.lists(st.tuples(st.floats(-1e12, 1e12), st.booleans(), st.booleans(), st.booleans()), max_size=14)
COUNTS = st.none() | st.integers(1, 4)
POLICIES = st.builds(
    Policy, last=st.integers(1, 5), hourly=COUNTS, daily=COUNTS, weekly=COUNTS, monthly=COUNTS, yearly=COUNTS,
    min_age_s=st.floats(0, 1e6),
)  # fmt: skip


@given(COMMITS, POLICIES, st.sets(st.integers(1, 14)), st.integers(0, 14), st.integers(0, 14))
def test_whatever_the_policy_nothing_that_is_needed_goes(commits, policy, pins, cut, later):
    count = len(commits)
    entries = [opening(), *(commit(n, at, suspect=bad) for n, (at, bad, _, _) in enumerate(commits, 1))]
    pins = {n for n in pins if n <= count}
    entries += [Pin(term=1, name=f"hold/{n}", commit=Id(term=1, height=n), reason="x") for n in pins]
    if 0 < cut <= count:
        entries += [opening(2, (1, cut), {"1": count}), *(commit(n, NOON, term=2) for n in range(1, later + 1))]
    view = replay(entries)

    def attested(each):
        return commits[each.what.height - 1][2] if each.what.term == 1 else False

    def proved(each):
        return commits[each.what.height - 1][3] if each.what.term == 1 else False

    decision = retain(view, policy, now=NOON, attested=attested, proved=proved)
    assert decision.keep.keys() | decision.drop.keys() == view.accepted.keys()
    assert not decision.keep.keys() & decision.drop.keys()
    assert all(decision.keep.values())
    assert all(decision.drop.values())
    assert {CommitId(1, n) for n in pins} <= decision.keep.keys()
    assert set(sorted(view.accepted)[-policy.last :]) <= decision.keep.keys()
    sound = [key for key, each in view.accepted.items() if not each.what.suspect and attested(each)]
    assert sound or not decision.drop
    behind = [key for key in sound if not (0 < cut <= count and key.term == 1 and key.height > cut)]
    if sound:
        assert max(behind or sound) in decision.keep
    best = [key for key, each in view.accepted.items() if not each.what.suspect and proved(each)]
    near = [key for key in best if not (0 < cut <= count and key.term == 1 and key.height > cut)]
    if best and decision.drop:
        assert max(near or best) in decision.keep
    again = retain(view, policy, now=NOON, attested=attested, proved=proved)
    assert again == decision
