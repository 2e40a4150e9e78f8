"""Observers at work on a real witness, with drstack's own promotion behind them; sites only remember."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from drstack.actions.declared import own_steps
from drstack.automatic.observer import Observer
from drstack.automatic.policy import Policy
from drstack.automatic.records import Holds, Observations, Repairs
from drstack.automatic.told import describe, render, stop_running
from drstack.errors import StepFailed
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.operation import unfinished
from drstack.recovery.ports import JobObservation
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.world import NEED, Away, Rig
from tests.drstack.spec.declared import LOCAL, parsed

POLICY = Policy(
    to="west", observers=("a", "b"), after_s=20.0, looks=3, period_s=86400.0, repair=("reship", "replace", "restart"),
    attempts=2, lease_margin_s=4.0,
)  # fmt: skip
EVERY_S = 5.0


class Clock:
    now = 1000.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    made.save(10)
    made.sites["east"].starts.append(("begin", None))
    made.sites["east"].capacity = 5
    renew(made)
    return made


def renew(rig):
    rig.witness().leases("gpt").hold(site="east", term=1, for_s=30.0, over=lambda _: False)


def observer(rig, clock, name, policy=POLICY, **more):
    def sleep(seconds):
        clock.now += seconds

    leases = LeasePolicy(1.0, 3.0, lambda: clock.now)
    began = time.time() - clock.now
    world = replace(rig.world(replace(NEED, leased=True)), leases=leases, sleep=sleep, clock=lambda: began + clock.now)
    said = []
    made = Observer(
        name, world, policy, EVERY_S, lambda: clock.now, say=said.append, **more
    )  # fmt: skip
    return made, said


def turns(clock, count, *observers):
    """So many looks of all, one after another; returns what they did."""
    done = []
    for _ in range(count):
        clock.now += EVERY_S
        for each in observers:
            done.append(each.turn())
    return done


def test_a_lost_site_is_promoted_away_from_by_one_of_two_and_the_other_stands_back(rig, clock):
    (a, _), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    assert {verdict.act for verdict in turns(clock, 3, a, b)} == {"wait"}
    rig.sites["east"].reachable = False
    done = turns(clock, 12, a, b)
    promoted = [verdict for verdict in done if verdict.act == "promote"]
    assert len(promoted) == 1
    assert rig.witness().current().writer("gpt") == "west"
    journal = rig.witness().journal(1, 1)
    plan, end = journal.plan(), journal.ended()
    assert plan["by"] in ("automatic (a)", "automatic (b)")
    assert plan["consents"] == []
    assert [row["grade"] for row in end["fences"]] == ["lease-expired"]
    assert len(rig.witness().assignments()) == 2
    assert {verdict.act for verdict in turns(clock, 5, a, b)} == {"wait"}


def test_one_observer_alone_promotes_nothing(rig, clock):
    a, said = observer(rig, clock, "a")
    rig.sites["east"].reachable = False
    assert {verdict.act for verdict in turns(clock, 30, a)} == {"wait"}
    assert any("only a has lost sight" in verdict.reason for verdict in said)


def test_words_from_before_an_observer_began_to_listen_count_for_nothing(rig, clock):
    b, _ = observer(rig, clock, "b")
    rig.sites["east"].reachable = False
    turns(clock, 30, b)
    a, _ = observer(rig, clock, "a")
    assert {verdict.act for verdict in turns(clock, 30, a)} == {"wait"}


def test_a_partition_is_told_from_a_death(rig, clock):
    (a, _), (b, said) = observer(rig, clock, "a"), observer(rig, clock, "b")

    class Cut:
        def __getattr__(self, name):
            return getattr(rig.sites["east"], name)

        def observe(self, *, deadline_s):
            return replace(rig.sites["east"].observe(deadline_s=deadline_s), reachable=False, why="no route")

    b.world = replace(b.world, sites={**b.world.sites, "east": Cut()})
    assert {verdict.act for verdict in turns(clock, 30, a, b)} == {"wait"}
    assert any("a sees east: a partition, not a death" in verdict.reason for verdict in said)
    told = describe(rig.witness(), POLICY)
    assert told["sites"] == {"east": "partition", "west": "seen"}
    assert "a partition" in render(told)
    assert told["observers"]["b"]["sees"]["east"]["why"] == "no route"


def test_a_lease_that_is_renewed_is_a_sign_of_life(rig, clock):
    (a, said), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    rig.sites["east"].reachable = False
    for _ in range(20):
        renew(rig)
        assert {verdict.act for verdict in turns(clock, 1, a, b)} == {"wait"}
    assert any("the lease of gpt may still hold" in verdict.reason for verdict in said)


def test_a_hold_stops_it_at_once_and_a_release_lets_it_go_on(rig, clock):
    (a, said), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    Holds(rig.witness()).hold(by="ann", reason="moving racks")
    rig.sites["east"].reachable = False
    turns(clock, 15, a, b)
    assert rig.witness().current().number == 1
    assert any(verdict.act == "refuse" and "ann: moving racks" in verdict.reason for verdict in said)
    assert "HELD OFF by ann" in render(describe(rig.witness(), POLICY))
    assert Holds(rig.witness()).release(by="ann")
    turns(clock, 3, a, b)
    assert rig.witness().current().writer("gpt") == "west"


def test_what_would_need_a_consent_is_refused(rig, clock):
    policy = replace(POLICY, after_s=60.0)
    (a, said), (b, _) = observer(rig, clock, "a", policy), observer(rig, clock, "b", policy)
    for each in (a, b):
        each.world = replace(each.world, needs={"gpt": replace(each.world.needs["gpt"], rpo_s=0.0)})
    rig.sites["east"].reachable = False
    turns(clock, 20, a, b)
    assert rig.witness().current().number == 1
    refused = [verdict for verdict in said if verdict.act == "refuse"]
    assert any("could not take over without a person" in verdict.reason for verdict in refused)


@pytest.mark.parametrize("needed", ["approvals", "a step that waits"])
def test_what_needs_a_person_on_the_way_is_not_begun(rig, clock, needed):
    (a, said), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    changed = {"quorums": {"promote": object()}}
    if needed != "approvals":
        text = LOCAL + "steps: {call: {wait: Call the data centre, before: start}}\n"
        changed = {"own": own_steps(parsed(text).steps)}
    for each in (a, b):
        each.world = replace(each.world, **changed)
    rig.sites["east"].reachable = False
    turns(clock, 20, a, b)
    assert rig.witness().current().number == 1
    assert any(
        verdict.act == "refuse" and ("approvals" in verdict.reason or "call" in verdict.reason) for verdict in said
    )


def test_the_budget_counts_whoever_began_one(rig, clock):
    (a, said), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    journal = rig.witness().journal(1, 1)
    journal.begin({"target": "west", "by": "automatic (b)", "began_at": rig.witness().now() - 3600, "workloads": []})
    journal.end({"result": "abandoned"})
    rig.sites["east"].reachable = False
    turns(clock, 20, a, b)
    assert rig.witness().current().number == 1
    assert any("one automatic promotion was made" in verdict.reason for verdict in said)


def test_an_operation_whose_observer_fell_silent_is_taken_up_by_the_other(rig, clock):
    (a, _), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    turns(clock, 3, a, b)
    west = rig.sites["west"]
    start = west.start_job

    def die(*given, **more):
        west.start_job = start
        raise KeyboardInterrupt

    west.start_job = die
    rig.sites["east"].reachable = False
    with pytest.raises(KeyboardInterrupt):
        turns(clock, 15, a, b)
    identity = unfinished(rig.witness()).identity
    by = rig.witness().journal(1, 1).plan()["by"]
    other = b if by == "automatic (a)" else a
    done = turns(clock, 25, other)
    assert [verdict.act for verdict in done].count("resume") == 1
    assert any("carries out operation" in verdict.reason for verdict in done[:5]), "it waits for the first one first"
    assert rig.witness().journal(1, 1).ended()["result"] == "promoted"
    assert identity == "1-1"


def test_an_observer_that_stood_still_begins_anew(rig, clock):
    (a, _), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    turns(clock, 3, a, b)
    rig.sites["east"].reachable = False
    for each in (a, b):
        each.world = replace(each.world, needs={"gpt": replace(each.world.needs["gpt"], rpo_s=86400.0)})
    turns(clock, 2, a, b)
    clock.now += 3600
    assert {verdict.act for verdict in turns(clock, 4, a, b)} == {"wait"}, "what it saw an hour ago is no hour of loss"
    turns(clock, 12, a, b)
    assert rig.witness().current().writer("gpt") == "west"


def test_observers_of_one_machine_are_named(rig, clock):
    (a, _), (b, _) = observer(rig, clock, "a", place="m1"), observer(rig, clock, "b", place="m1")
    turns(clock, 1, a, b)
    assert "a and b run on one machine, m1" in render(describe(rig.witness(), POLICY))


def test_a_hold_pauses_an_operation_that_an_observer_began(rig, clock):
    journal = rig.witness().journal(1, 1)
    journal.begin({"target": "west", "by": "automatic (b)", "began_at": rig.witness().now(), "workloads": []})
    stop_running(rig.witness(), by="ann", reason="not now")
    assert journal.paused()["by"] == "ann"


class Broken:
    """East, whose job failed and does not run until it is started again."""

    def __init__(self, site, *, heals=True):
        self.site, self.heals, self.tokens = site, heals, []

    def __getattr__(self, name):
        return getattr(self.site, name)

    def observe(self, *, deadline_s):
        if self.tokens and self.heals:
            return self.site.observe(deadline_s=deadline_s)
        job = JobObservation(running=False, ranks=0, generation=1, step=12, failure="exited 3")
        return replace(self.site.observe(deadline_s=deadline_s), capacity=2, jobs={"gpt": job})

    def start_job(self, workload, *, token, resume_step, deadline_s, order):
        self.tokens.append((token, resume_step))
        assert order == "1-0"
        if not self.heals:
            raise StepFailed("it does not start")


@pytest.mark.parametrize("heals", [True, False])
def test_a_trainer_that_is_down_is_started_again_by_one_of_them_and_so_often_at_most(rig, clock, heals):
    (a, said), (b, _) = observer(rig, clock, "a"), observer(rig, clock, "b")
    broken = Broken(rig.sites["east"], heals=heals)
    for each in (a, b):
        each.world = replace(each.world, sites={**each.world.sites, "east": broken})
    turns(clock, 12, a, b)
    assert broken.tokens[0] == ("repair-east-1", 10)
    turns(clock, 40, a, b)
    repairs = Repairs(rig.witness(), "east").every()
    if heals:
        assert [(each.remedy, each.workload, each.result) for each in repairs] == [
            ("restart", "gpt", "done: started from step 10")
        ]
    else:
        assert len(repairs) == 2
        assert any(verdict.act == "refuse" and "a person decides" in verdict.reason for verdict in said)
        assert all("does not start" in each.result for each in repairs)
    assert rig.witness().current().number == 1


def test_calm_observers_write_seldom_and_changes_at_once(rig, clock):
    a, _ = observer(rig, clock, "a")
    rig.sites["east"].steps = iter(lambda: 5, None)
    turns(clock, 24, a)
    calm = Observations(rig.witness(), "a").last().n
    assert calm <= 4
    rig.sites["east"].reachable = False
    turns(clock, 1, a)
    assert Observations(rig.witness(), "a").last().n == calm + 1


def test_a_witness_that_is_away_is_said_and_ends_nothing(rig, clock):
    a, said = observer(rig, clock, "a")
    turns(clock, 1, a)
    rig.wrap = lambda name, store: FaultyStore(store, Away()) if name == "witness" else store
    away, said = observer(rig, clock, "a")
    assert {verdict.act for verdict in turns(clock, 3, away)} == {"wait"}
    assert any("WitnessUnreachable" in verdict.reason for verdict in said)
