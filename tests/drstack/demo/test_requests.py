"""What a client counts: failures as failures, silence as a gap, and nothing twice."""

from __future__ import annotations

import socket

import pytest

from drstack.demo.requests import Outcome, SteadyClient, count, in_words
from drstack.platforms.local.waiting import Deadline


def outcome(at: float, status: int | None = 200, site: str = "east", took: float = 0.1) -> Outcome:
    return Outcome(at, at + took, status, site if status else None)


def test_the_longest_gap_is_between_good_answers_and_counts_from_the_first_request_to_the_last_answer():
    seen = count([outcome(0), outcome(1), outcome(2, None), outcome(3, 503), outcome(6, site="west")])
    assert (seen.sent, seen.failed) == (5, 2)
    assert seen.longest_gap_s == pytest.approx(5.0)
    assert seen.by_site == {"east": 2, "west": 1}
    assert "5 sent, 2 failed, at most 5.0 s without an answer" in in_words(seen)


def test_a_client_that_never_had_an_answer_was_without_one_all_the_time():
    seen = count([outcome(0, None), outcome(7, 502, took=1.0)])
    assert (seen.failed, seen.longest_gap_s) == (2, 8.0)
    assert count([]).document() == {"sent": 0, "failed": 0, "longest_gap_s": 0.0}


def test_where_nothing_listens_every_request_is_sent_and_fails():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    client = SteadyClient(f"http://127.0.0.1:{port}", every_s=0.01)
    client.start()
    assert Deadline(60).until(lambda: len(client.so_far()) >= 5)
    outcomes = client.stop()
    assert all(not each.ok and each.status is None for each in outcomes)
    assert count(outcomes).failed == len(outcomes) >= 5
