"""A recovery point that is old, and arrivals that stopped, say what helps: a command, and where a log lies."""

from __future__ import annotations

import pytest

from drstack.readiness.judge import judge
from drstack.recovery.ports import JobObservation
from tests.drstack.readiness.situations import RPO_S, arrivals, commit, good, with_look, with_repository, with_site

OLD = commit(5, RPO_S + 1)


def old():
    return with_repository(good(), "west", newest=(OLD,), arrivals=())


def late():
    return with_repository(good(), "west", arrivals=arrivals(every_s=10.0, newest_age_s=50.0))


def remedy(situation, id_: str = "recovery-point-old") -> str:
    [found] = [each for each in judge(situation).findings if each.id == id_]
    assert "drstack status" not in found.remedy
    return found.remedy


@pytest.mark.parametrize(("situation", "id_"), [(old, "recovery-point-old"), (late, "arrivals-stopped")])
def test_the_log_of_the_replicator_that_ships_is_named_where_it_runs(situation, id_):
    logged = with_look(situation(), "east", replicator_log="/sites/east/logs/replicator.log")
    assert remedy(logged, id_).startswith("tail -n 50 '/sites/east/logs/replicator.log' (east's replicator runs")
    assert remedy(situation(), id_).startswith("read the log of east's replicator")


@pytest.mark.parametrize(("situation", "id_"), [(old, "recovery-point-old"), (late, "arrivals-stopped")])
def test_a_replicator_that_does_not_run_is_brought_up_and_its_log_says_why(situation, id_):
    down = with_site(situation(), "east", replicator_running=False)
    assert remedy(down, id_) == "drstack up e --site east --refresh (east's replicator does not run)"
    logged = with_look(down, "east", replicator_log="/l")
    assert remedy(logged, id_).endswith("(east's replicator does not run; why it ended: tail -n 50 '/l')")


def test_of_a_writer_that_cannot_be_seen_the_only_standby_is_named():
    away = with_site(old(), "east", reachable=False, why="no supervisord")
    assert remedy(away).endswith("if it is lost: drstack promote e --to west")


def test_work_that_was_stopped_is_started_and_of_one_that_fails_the_log_is_named():
    stopped = with_site(old(), "east", jobs={"gpt": JobObservation(running=False, ranks=0, wanted=False)})
    assert remedy(stopped).startswith("drstack promote e --to east")
    failing = JobObservation(running=False, ranks=0, wanted=True, failure="CUDA out of memory")
    logged = with_look(with_site(old(), "east", jobs={"gpt": failing}), "east", run_logs={"gpt": "/r"})
    assert remedy(logged) == "tail -n 50 '/r' (gpt does not run at east: CUDA out of memory)"


def test_what_arrived_and_nobody_verified_is_verified():
    bare = with_repository(good(), "west", newest=(commit(6, 1.0, receipts=(), proof=None), OLD), arrivals=())
    assert remedy(bare).startswith(
        "replicator verify --repo 'file:///west/store' --workload gpt --checkpoint all (newer"
    )
