"""What a selector says, and which checkpoint it takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from replicator.errors import NothingToRestore
from replicator.log.entries import Open
from replicator.model import LEVELS, CommitId, Finding
from replicator.repository.select import parse, select
from replicator.repository.ship import ship
from replicator.repository.survey import choose, survey
from tests.replicator.repository.rig import checkpoint, push, repository

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20T03:00", datetime(2026, 11, 20, 3, tzinfo=UTC).timestamp()),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC).timestamp()),
        ("2026-11-20T03:00+02:00", datetime(2026, 11, 20, 1, tzinfo=UTC).timestamp()),
        ("time:2026-11-20T03:00Z", datetime(2026, 11, 20, 3, tzinfo=UTC).timestamp()),
        ("2h ago", NOW - 7200),
        ("90 s ago", NOW - 90),
        ("1.5d ago", NOW - 129_600),
        ("15min ago", NOW - 900),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text, at):
    assert parse(text, now=NOW).at_most_time == at


def test_forms_are_told_apart():
    assert parse("3.12", now=NOW).commit == CommitId(3, 12)
    assert parse("step:7", now=NOW).step == 7
    assert parse("step:<=7", now=NOW).at_most_step == 7
    assert parse("pin:2026", now=NOW).pin == "2026"
    assert parse("before-merge", now=NOW).pin == "before-merge"
    for wrong in ("step:x", "a b", "", "../x", "step:<=", "2 fortnights ago"):
        with pytest.raises(NothingToRestore, match="names no checkpoint"):
            parse(wrong, now=NOW)


def test_newest_not_after_a_step_or_a_time_is_by_term_and_height_and_never_suspect(tmp_path):
    there = repository()
    there.clock = lambda: 1100.0
    nan = Finding(reason="nan", tensor="w", evidence="1 NaN")

    def save(height, step, term=1, **more):
        return ship(
            push(height, step, term=term, attempt=f"{term}{height}", **more),
            checkpoint(tmp_path / f"{term}-{height}", step, seed=height + 10 * term),
            there,
        )

    # saved_at is 1000 + step (rig.push); term 2 went back to an older step
    first, second, bad = save(1, 10), save(2, 20), save(3, 30, findings=(nan,))
    assert select(there, "gpt", "step:<=30") == second
    assert select(there, "gpt", "latest") == second
    there.log("gpt").pin("before-merge", first.what.id(), reason="keep", term=1)
    there.log("gpt").open(Open(term=2, writer="east", heads={"1": 3}))
    back = save(1, 15, term=2)
    view = [a.what.id() for a in there.log("gpt").view().in_order()]
    assert view == [each.what.id() for each in (first, second, bad, back)]
    assert select(there, "gpt", "step:<=20") == back
    assert select(there, "gpt", "step:<=12") == first
    assert select(there, "gpt", "1970-01-01T00:16:55") == back  # 1015 s
    assert select(there, "gpt", "1970-01-01T00:16:54") == first
    assert select(there, "gpt", "85s ago") == back
    assert select(there, "gpt", "before-merge") == first
    assert select(there, "gpt", "pin:before-merge") == first
    assert select(there, "gpt", "step:30") == bad
    for nothing in ("step:<=9", "10m ago", "pin:other"):
        with pytest.raises(NothingToRestore):
            select(there, "gpt", nothing)


@pytest.mark.parametrize("level", LEVELS)
def test_the_newest_is_passed_over_once_a_verifiers_last_word_about_it_is_a_failed_one(tmp_path, level):
    west, east = repository(), repository(name="east")
    first, second = (checkpoint(tmp_path / str(step), step, seed=step) for step in (10, 20))
    for there in (west, east):
        older = ship(push(1, 10, attempt="1"), first, there)
        newest = ship(push(2, 20, attempt="2", salt=b"t" * 16), second, there)

    def says(there, ok):
        record = there.log("gpt").slot(newest.slot).digest
        there.receipts.write("gpt", newest.slot, level, "west", record=record, ok=ok, reason=None if ok else "torn")

    def chosen():
        [copies] = choose(survey([west, east], "gpt"), parse("latest", now=NOW), best_only=True)
        return copies[0][1].what.step

    assert (select(west, "gpt", "latest").what.step, chosen()) == (20, 20)
    says(west, ok=False)
    assert select(west, "gpt", "latest") == older
    assert (select(west, "gpt", "1.2").what.step, chosen()) == (20, 20)  # by its id; and east has it whole
    says(east, ok=False)
    assert chosen() == 10
    says(west, ok=True)
    assert (select(west, "gpt", "latest").what.step, chosen()) == (20, 20)
