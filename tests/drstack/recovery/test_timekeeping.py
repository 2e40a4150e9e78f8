"""Which of several clocks counts: never one that understates a loss, and never in silence."""

from __future__ import annotations

import pytest

from drstack.recovery.timekeeping import judge_clocks, moment_here

NOW, HOUR = 1_800_000_000.0, 3600.0
SAVED = NOW - 10


@pytest.mark.parametrize(
    ("here", "sites", "saved", "counts", "tells"),
    [
        pytest.param(NOW, {"west": NOW + 1}, SAVED, NOW, (), id="all agree"),
        pytest.param(NOW, {}, SAVED, NOW, (), id="alone"),
        pytest.param(NOW, {}, NOW + HOUR, NOW, ("dated 1 h 0 min later",), id="the writer's is ahead, and nobody knows"),
        pytest.param(
            NOW - HOUR, {"west": NOW}, SAVED, NOW, ("1 h 0 min behind west's", "the time of west counts"), id="behind"
        ),
        pytest.param(
            NOW + HOUR, {"west": NOW}, SAVED, NOW + HOUR, ("1 h 0 min ahead of west's", "understates no loss"), id="ahead"
        ),
        pytest.param(
            NOW + HOUR, {"west": NOW, "north": NOW + 2}, SAVED, NOW, ("ahead of west's", "ahead of north's", "the time of"),
            id="ahead of two",
        ),
        pytest.param(NOW, {"west": NOW - HOUR}, SAVED, NOW, ("ahead of west's", "of this machine counts"), id="a site's"),
        pytest.param(
            NOW, {"west": NOW, "north": NOW + HOUR}, SAVED, NOW, ("behind north's", "of this machine and west counts"),
            id="one of two sites'",
        ),
        pytest.param(NOW, {"west": NOW}, NOW + HOUR, NOW, ("dated 1 h 0 min later",), id="the writer's, against two"),
        pytest.param(
            NOW - HOUR, {"west": NOW - HOUR, "north": NOW}, SAVED, NOW, ("behind north's", "the time of north", "latest"),
            id="two are behind what is recorded",
        ),
    ],
)  # fmt: skip
def test_one_time_counts_and_what_disagrees_is_told(here, sites, saved, counts, tells):
    judged = judge_clocks(here, sites, [saved])
    assert here + judged.offset_s == pytest.approx(counts, abs=3)
    assert bool(judged.told) is bool(tells)
    for each in tells:
        assert each in "; ".join(judged.told)


@pytest.mark.parametrize("theirs", [NOW, NOW + HOUR, NOW - HOUR])
def test_a_sites_moment_is_told_by_the_clock_here(theirs):
    assert moment_here(theirs - 5, theirs, NOW) == pytest.approx(NOW - 5)
    assert moment_here(theirs + 5, theirs, NOW) == NOW


def test_a_moment_of_a_site_that_tells_no_time_is_never_in_the_future():
    assert moment_here(NOW + HOUR, None, NOW) == NOW
