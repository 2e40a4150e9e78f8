"""Clocks: whose is wrong, by how much, and what that does to what is told of losses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drstack.readiness.checks.clocks import clocks
from drstack.readiness.judge import judge
from tests.drstack.readiness.situations import NOW, good, with_clocks

HOUR = 3600.0


def found(**read: float) -> list[tuple[str, str | None, str]]:
    return [(each.id, each.site, each.what) for each in clocks(with_clocks(good(), **read))]


def test_clocks_that_agree_within_what_recovery_tolerates_are_nothing():
    assert found(east=NOW + 4, west=NOW - 4) == []


def test_of_a_writer_that_is_ahead_a_loss_is_told_too_small():
    [(id_, site, what)] = found(east=NOW + HOUR, west=NOW)
    assert (id_, site) == ("loss-understated", "east")
    assert "60 min ahead of what counts: the time of this machine and west counts" in what
    assert "a loss of gpt is told up to 60 min too small" in what


def test_of_a_writer_that_is_behind_a_loss_is_told_too_great_and_how_to_go_on():
    [(id_, site, what)] = found(east=NOW - HOUR, west=NOW)
    assert (id_, site) == ("clock-apart", "east")
    assert "told up to 60 min too great" in what
    assert "--failed-at TIME" in what


def test_a_standbys_clock_changes_no_loss():
    [(id_, site, what)] = found(east=NOW, west=NOW + HOUR)
    assert (id_, site) == ("clock-apart", "west")
    assert "no loss is told wrongly" in what


@pytest.mark.parametrize(("apart_s", "words"), [(HOUR, "ahead of"), (-HOUR, "behind")])
def test_where_this_machines_clock_is_the_wrong_one_no_site_is_blamed(apart_s, words):
    [(id_, site, what)] = found(here=NOW + apart_s, east=NOW, west=NOW)
    assert (id_, site) == ("clock-apart", None)
    assert f"this machine's clock is 60 min {words} what counts: the time of east and west counts" in what


def test_with_one_against_one_it_is_said_that_nobody_knows_who_is_right():
    [(_, site, what)] = found(here=NOW + HOUR, west=NOW)
    assert site == "west"
    assert "no more clocks say one thing than another, and the latest understates no loss" in what


def test_a_checkpoint_from_the_future_shows_the_clock_of_a_writer_that_nobody_can_ask():
    [(id_, site, what)] = found(west=NOW, saved=NOW + HOUR)
    assert (id_, site) == ("loss-understated", None)
    assert "dated 60 min later than now" in what
    assert "too small" in what


def test_a_writers_clock_that_explains_the_checkpoint_from_the_future_is_told_once():
    assert [(id_, site) for id_, site, _ in found(east=NOW + HOUR, west=NOW, north=NOW, saved=NOW + HOUR)] == [
        ("loss-understated", "east")
    ]


def test_what_is_recorded_counts_beside_a_clock_and_whoever_is_behind_both_is_told():
    told = found(east=NOW + HOUR, west=NOW, saved=NOW + HOUR)
    assert [(id_, site) for id_, site, _ in told] == [("clock-apart", None), ("clock-apart", "west")]
    assert all("no more clocks say one thing than another" in what for _, _, what in told)


def test_a_clock_costs_only_where_its_site_takes_part():
    situation = with_clocks(good(), east=NOW, west=NOW + HOUR)
    facts = situation.facts
    each = facts.workloads["gpt"]
    repositories = {**each.repositories, "north": replace(each.repositories["west"], name="north")}
    three = replace(
        situation, descriptors={**situation.descriptors, "north": situation.descriptors["west"]},
        drills={**situation.drills, "north": situation.drills["west"]},
        facts=replace(
            facts, sites={**facts.sites, "north": replace(facts.sites["west"], site="north")},
            workloads={"gpt": replace(each, repositories=repositories)},
        ),
    )  # fmt: skip
    standbys = judge(three).workloads["gpt"].standbys
    assert (standbys["west"].score, standbys["north"].score) == (85, 100)
