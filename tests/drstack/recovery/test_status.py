"""The first sentence says what is known: of a writer that cannot be seen, that before all."""

from __future__ import annotations

from drstack.readiness.finding import worst_first
from drstack.readiness.judge import judge
from drstack.recovery.status import status
from tests.drstack.readiness.situations import good, with_repository, with_site


def said(situation) -> str:
    return status("e", situation.facts, situation.needs, None)["workloads"]["gpt"]["sentence"]


def test_a_writer_that_is_seen_might_die_now():
    assert said(good()).startswith("If east died now: 5 s of gpt lost (back to step 5), within the objective of 1m")


def test_of_a_writer_that_cannot_be_seen_that_comes_first_and_the_loss_is_a_bound():
    away = with_site(good(), "east", reachable=False, why="no supervisord")
    assert said(away).startswith(
        "east CANNOT BE SEEN (it last saved 5 s ago: step 5); that is no evidence that it died. "
        "If it died: at most 5 s of gpt lost (back to step 5), within the objective of 1m"
    )


def test_where_nothing_is_left_of_it_that_is_said_too():
    away = with_site(good(), "east", reachable=False, why="no supervisord")
    nothing = with_repository(with_repository(away, "west", newest=()), "east", why="gone", newest=())
    assert said(nothing).startswith(
        "east CANNOT BE SEEN; that is no evidence that it died. If it died: all of gpt would be lost"
    )


def test_its_finding_comes_before_worse_ones_and_names_the_only_standby():
    away = with_repository(
        with_site(good(), "east", reachable=False, why="no supervisord"), "west", rolled_back="short"
    )
    found = judge(away).findings
    assert (found[0].id, found[0].severity) == ("writer-unseen", "warning")
    assert found[1].severity == "blocking"
    assert found[0].remedy == "look at east; if it is lost: drstack promote e --to west --plan"
    assert worst_first(reversed(found)) == found
