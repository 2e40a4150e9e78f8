"""Operators who die at every step of every plan, on real sites, and others who take it up: one end, as undisturbed.

CI takes a seeded few of the points (`killing.py` generates them), `make soak` all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from drstack.platforms.local.waiting import Deadline
from tests.engine.killing import LONG_S, NEVER, POINTS, RECORDS, STEPS, WORKLOADS, Bench, Point, towards
from tools.cases import at_length

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.witness.journal import Journal
    from tools.cases import Cases

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(14_400 if at_length() else 600)]
CONFLICT = 26
RESULT = {"promote": "promoted", "one alone": "promoted", "switchover": "switched over", "failback": "switched over"}
SWITCHED_OFF = Point("switchover", "before", "intent", "assign", 1, "same")
"""Everything is stopped and sealed, and nobody may write."""


def opposite(site: str) -> str:
    return "west" if site == "east" else "east"


def together(bench: Bench) -> str:
    """The site that writes both workloads, once it does."""
    writers = bench.writers()
    if len(set(writers.values())) > 1:
        bench.run("same", "promote", "local", "--to", writers["gpt"], "--workload", "aux", "--yes", "--no-reconcile")
    return writers["gpt"]


def started_once(bench: Bench, name: str, site: str, before: int, step: int) -> None:
    """One trainer runs, at that site alone, from exactly that step, and it was started once."""
    assert Deadline(LONG_S).until(lambda: bench.trainers(site)[name] == 1, 0.1), bench.trainers(site)
    assert Deadline(LONG_S).until(lambda: len(bench.starts(name, site)) > before, 0.1)
    assert bench.trainers(opposite(site))[name] == 0
    starts = bench.starts(name, site)[before:]
    assert [each["resumed_step"] for each in starts] == [step]
    assert Deadline(LONG_S).until(lambda: (bench.job(name, site).step or 0) > step, 0.1)
    job = bench.job(name, site)
    assert (job.running, job.ranks, job.resumed_step, job.first_step) == (True, 1, step, step + 1)


def settled(bench: Bench) -> None:
    """Nobody has anything left to do, and every log says what the assignment says."""
    assert bench.unfinished() is None
    assert bench.engines() == []
    current = bench.witness.current()
    for name in WORKLOADS:
        for site in ("east", "west"):
            view = bench.view(name, site)
            assert (view.term, view.writable) == (current.workloads[name].term, True), f"{name} at {site}"
            assert not view.pins, f"{name} at {site}"


def journalled(journal: Journal, plan: str, target: str) -> dict[str, dict]:
    """Every step has one outcome, and nothing stands in the journal that no point was generated for."""
    records = [(each.kind, str(each.body.get("step", ""))) for each in journal.records()]
    assert set(records) == {(kind, towards(step, target)) for kind, step, _ in RECORDS[plan]}
    assert sorted(step for kind, step in records if kind == "outcome") == sorted(
        towards(s, target) for s in STEPS[plan]
    )
    assert [kind for kind, _ in records].count("end") == 1
    return {step: outcome["result"] for step, outcome in journal.outcomes().items()}


def move(bench: Bench, point: Point) -> None:
    source = together(bench)
    if point.plan == "failback" and source == "east":
        bench.stand_by("west")
        bench.run("same", "switchover", "local", "--to", "west", "--yes", "--no-reconcile")
        source = "west"
    target = opposite(source)
    bench.stand_by(target)
    bench.await_points()
    number = bench.witness.current().number
    moved = ("aux",) if point.plan == "one alone" else WORKLOADS
    before = {name: len(bench.starts(name, target)) for name in WORKLOADS}
    held = {name: max(bench.points_of(name, target)) for name in moved}
    command = {
        "promote": ["promote", "local", "--to", target, "--yes"],
        "one alone": ["promote", "local", "--to", target, "--workload", "aux", "--yes"],
        "switchover": ["switchover", "local", "--to", target, "--yes"],
        "failback": ["failback", "local", "--yes"],
    }[point.plan] + ([] if point.step == "reconcile" else ["--no-reconcile"])

    bench.run_to_death(replace(point, step=towards(point.step, target)), *command)
    if point.over or point.machine == "same":
        end = bench.run(point.machine, *command)
        assert bool(end.get("already")) is point.over
    else:
        end = bench.run(point.machine, "resume", "local", *command[command.index("--yes") + 1 :])
    assert point.over or end["result"] == RESULT[point.plan]

    journal = bench.witness.journals(number)[-1]
    assert journal.ended()["result"] == RESULT[point.plan]
    assert (bench.witness.current().number, bench.witness.current().operation) == (number + 1, journal.identity)
    assert bench.writers() == {name: target if name in moved else source for name in WORKLOADS}
    told = journalled(journal, point.plan, target)
    for name in moved:
        step = told[f"restore {name}"]["step"]
        assert step >= held[name], (held, told)
        assert step == told[f"seal {name}"]["step"], told
        if f"quiesce {name}" in told:
            assert step == told[f"quiesce {name}"]["last_step"]
        started_once(bench, name, target, before[name], step)
    for name in set(WORKLOADS) - set(moved):
        assert bench.trainers(source)[name] == 1
        assert len(bench.starts(name, target)) == before[name]
    bought = bench.bought.read_text().splitlines()
    assert bought.count(journal.identity) == ("step buy" in STEPS[point.plan])
    settled(bench)


def runs_again(bench: Bench, site: str, before: dict[str, int], *, most: int) -> None:
    """Each workload runs there alone, from what it had saved; a start that was cut short may have been made anew."""
    for name in WORKLOADS:
        assert Deadline(LONG_S).until(lambda n=name: bench.trainers(site)[n] == 1, 0.1), bench.trainers(site)
        assert Deadline(LONG_S).until(lambda n=name: len(bench.starts(n, site)) > before[n], 0.1)
        assert bench.trainers(opposite(site))[name] == 0
        steps = [each["resumed_step"] for each in bench.starts(name, site)[before[name] :]]
        assert 1 <= len(steps) <= most, steps
        assert steps == sorted(steps), steps
        assert Deadline(LONG_S).until(lambda n=name, s=steps: (bench.job(n, site).step or 0) > s[-1], 0.1)


def fence(bench: Bench, point: Point) -> None:
    site = together(bench)
    bench.stand_by(opposite(site))
    bench.await_points()
    number, before = bench.witness.current().number, {name: len(bench.starts(name, site)) for name in WORKLOADS}
    held = {name: max(bench.points_of(name, opposite(site))) for name in WORKLOADS}
    stop = ["fence", "local", site, "--reason", "a test", "--yes"]
    lift = ["fence", "local", site, "--lift", "--reason", "a test"]
    fences = len(bench.witness.journals(number))
    if point.plan == "fence":
        bench.run_to_death(replace(point, step=towards(point.step, opposite(site))), *stop)
        if not point.over:
            bench.run(point.machine, *(stop if point.machine == "same" else ["resume", "local"]))
    else:
        bench.run("same", *stop)
    journal = bench.newest_journal()
    assert len(bench.witness.journals(number)) == fences + 1
    assert journal.ended()["result"] == "fenced"
    assert [each["grade"] for each in journal.ended()["fences"]] == ["proven"]
    assert bench.unfinished() is None
    for each in ("east", "west"):
        assert bench.trainers(each) == dict.fromkeys(WORKLOADS, 0)
    assert {name: len(bench.starts(name, site)) for name in WORKLOADS} == before

    if point.plan == "lift":
        bench.run_to_death(point, *lift)
        if point.when != NEVER:
            bench.run(point.machine, *lift)
    else:
        bench.run(point.machine, *lift)
    assert bench.writers() == dict.fromkeys(WORKLOADS, site)
    assert bench.witness.current().number == number
    runs_again(bench, site, before, most=2 if point.kind in ("start again", "started again") else 1)
    for name in WORKLOADS:
        assert bench.starts(name, site)[-1]["resumed_step"] >= held[name]
    assert {each.kind for each in bench.newest_journal().records()} == {
        "plan", "intent", "outcome", "end", "lift", "start again", "started again",
    }  # fmt: skip
    settled(bench)


def abort(bench: Bench, point: Point) -> None:
    site = together(bench)
    bench.stand_by(opposite(site))
    bench.await_points()
    number, before = bench.witness.current().number, {name: len(bench.starts(name, site)) for name in WORKLOADS}
    there = {name: len(bench.starts(name, opposite(site))) for name in WORKLOADS}
    bench.run_to_death(SWITCHED_OFF, "switchover", "local", "--to", opposite(site), "--yes", "--no-reconcile")
    journal = bench.witness.journals(number)[-1]
    assert bench.unfinished() is not None
    last = {name: journal.outcome(f"quiesce {name}")["result"]["last_step"] for name in WORKLOADS}
    command = ["abort", "local", "--reason", "not today"]

    bench.run_to_death(replace(point, step=towards(point.step, opposite(site))), *command)
    over = point.when == NEVER or point.kind == "stood down"
    bench.run(point.machine, *command, codes=(CONFLICT,) if over else (0,))

    assert journal.ended()["result"] == "aborted"
    assert bench.writers() == dict.fromkeys(WORKLOADS, site)
    current = bench.witness.current()
    assert sorted(part.term for part in current.workloads.values()) == [number + 1, number + 2]
    assert current.number == number + 2
    runs_again(bench, site, before, most=2 if point.kind in ("start again", "started again") else 1)
    for name in WORKLOADS:
        assert bench.starts(name, site)[before[name]]["resumed_step"] == last[name]
        assert len(bench.starts(name, opposite(site))) == there[name]
    settled(bench)


PLANS: dict[str, Callable[[Bench, Point], None]] = {
    **dict.fromkeys(("promote", "one alone", "switchover", "failback"), move),
    **dict.fromkeys(("fence", "lift"), fence),
    "abort": abort,
}


def test_a_point_was_generated_for_every_record_of_every_plan() -> None:
    assert set(PLANS) == set(RECORDS)
    for plan, records in RECORDS.items():
        for kind, step, nth in records:
            told = [each for each in POINTS if (each.plan, each.step, each.nth) == (plan, step, nth)]
            assert {each.machine for each in told if kind in (each.kind, "intent")} == {"same", "other"}


@pytest.mark.faults("killed operations", 3, len(POINTS))
def test_an_operator_who_dies_at_any_step_changes_nothing_of_how_it_ends(tmp_path: Path, cases: Cases) -> None:
    """After a case that fails the others go on, in an environment made anew."""
    bench, failed = None, []
    try:
        for seed in cases.seeds():
            point = POINTS[seed]
            try:
                if bench is None:
                    folder = tmp_path / str(seed)
                    folder.mkdir()
                    bench = Bench(folder)
                    bench.begin()
                PLANS[point.plan](bench, point)
            except AssertionError as error:
                failed.append(f"DRSTACK_SEED={seed}, {point}: {error}")
                if bench is not None:
                    bench.close()
                bench = None
    finally:
        if bench is not None:
            bench.close()
    assert not failed, "\n\n".join(failed)
