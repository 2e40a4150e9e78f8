"""Each finding by a situation that has it and nothing else; the situation without it is the good example of all."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from drstack.drills.schedule import Overdue
from drstack.readiness.catalogue import CATALOGUE
from drstack.readiness.drills import Drill
from drstack.readiness.finding import KEEPS
from drstack.readiness.judge import judge
from drstack.readiness.ports import Controller
from drstack.readiness.situation import Backend, Situation, Timings, Trouble
from drstack.recovery.evidence import told, unknown
from drstack.recovery.fenced import Deliberate
from drstack.recovery.ports import JobObservation, RouterObservation
from replicator.repository.receipts import Word
from replicator.versions.document import Gpu
from replicator.versions.fit import Machine, Work
from tests.drstack.readiness.situations import (
    DEMANDED,
    NOW,
    RPO_S,
    TIMED,
    TWO,
    arrivals,
    commit,
    good,
    lease,
    request,
    with_approvals,
    with_clocks,
    with_keys,
    with_lease,
    with_look,
    with_repository,
    with_site,
)

OPERATION = {
    "id": "1-1", "kind": "switchover", "target": "west", "began_at": NOW - 9, "paused": None, "done": [], "begun": ["seal gpt"],
    "failed": {}, "waiting": ["assign"], "unknown": [],
}  # fmt: skip
OLD = {"newest": (commit(5, RPO_S + 1),), "arrivals": ()}


def g():
    return good()


def refuted():
    return commit(6, 1.0, proof=Word(False, "loss differs", NOW - 1, "west"))


def only_one(situation: Situation) -> Situation:
    """As if west were not declared."""
    facts = situation.facts
    each = facts.workloads["gpt"]
    alone = replace(each, repositories={"east": each.repositories["east"]})
    return replace(
        situation, facts=replace(facts, sites={"east": facts.sites["east"]}, workloads={"gpt": alone}), looks={}, keys={},
        descriptors={"east": situation.descriptors["east"]},
    )  # fmt: skip


def trouble(id_: str) -> Situation:
    return Situation("e", NOW, "memory://w", troubles=(Trouble(id_, "it does not answer", "look", unknown("w")),))


def drilled(**changed: object):
    there = {"west": replace(Drill(NOW - 3600, True, "step 5", told("west", NOW)), **changed)}
    return good(drills=there)


BIG = Gpu(name="NVIDIA H200", memory_bytes=140 << 30, capability="9.0")
ON_GPU = Work(1 << 40, world=8, gpus=8, gpu=BIG, dtypes=frozenset({"bfloat16"}), peak_bytes=100 << 30)
SMALL = Machine(gpus=(Gpu(name="NVIDIA L4", memory_bytes=24 << 30, capability="8.9"),), driver="580.95", cuda="13.0")
TURING = Machine(
    gpus=(BIG.model_copy(update={"capability": "7.5"}),) * 8, driver="580.95", cuda="13.0", archs=("sm_75",), torch="2.9"
)  # fmt: skip


def fenced(stops: tuple[str, ...] = ("gpt",), site: str = "east") -> Situation:
    """Somebody stopped it on purpose."""
    stopped = {"gpt": JobObservation(running=False, ranks=0, wanted=False)}
    fence = Deliberate("1-1", site, "ana", NOW - 720, "bad GPU, do not start", stops)
    return replace(with_site(g(), site, jobs=stopped), fences=(fence,))


UNSIGNED = {
    "operation": "1-1", "kind": "promote", "target": "west", "by": "alice", "reason": "nobody answers", "at": NOW - 600,
    "plan": "0" * 64, "signed_off": None, "may": ["bob", "carol"],
}  # fmt: skip
BAD = {
    "witness-unreachable": lambda: trouble("witness-unreachable"),
    "witness-unsound": lambda: trouble("witness-unsound"),
    "environment-unreadable": lambda: trouble("environment-unreadable"),
    "keys-unusable": lambda: trouble("keys-unusable"),
    "look-failed": lambda: trouble("look-failed"),
    "state-unreachable": lambda: good(backend=Backend("s3://x", answers=False, why="refused")),
    "state-unknown": lambda: good(backend=Backend("foo://x", answers=None, why="foo is not known")),
    "descriptor-absent": lambda: replace(
        with_site(g(), "west", reachable=False, why="no descriptor"), descriptors={**g().descriptors, "west": None},
        looks={}, keys={},
    ),
    "descriptor-stale": lambda: good(
        descriptors={**g().descriptors, "west": replace(g().descriptors["west"], workloads=frozenset())}
    ),
    "controller-undoes": lambda: with_look(g(), "west", controllers=(Controller("stack x", "all", "pulumi destroy -s x"),)),
    "router-unreachable": lambda: good(router=RouterObservation(reachable=False, why="no socket")),
    "router-turned": lambda: good(router=replace(g().router, weights={"chat": {"west": 100}})),
    "replicas-unready": lambda: good(router=replace(g().router, healthy={"chat": {"east": True, "west": False}})),
    "clock-apart": lambda: with_clocks(g(), east=NOW, west=NOW - 3600),
    "loss-understated": lambda: with_clocks(g(), east=NOW + 3600, west=NOW),
    "recovery-point-none": lambda: with_repository(g(), "west", newest=(), arrivals=()),
    "recovery-point-old": lambda: with_repository(g(), "west", **OLD),
    "breach-predicted": lambda: with_repository(g(), "west", arrivals=arrivals(every_s=55.0, lag_s=10.0)),
    "arrivals-stopped": lambda: with_repository(g(), "west", arrivals=arrivals(every_s=10.0, newest_age_s=50.0)),
    "receipts-missing": lambda: with_repository(
        g(), "west", newest=(*(commit(n, 1.0, receipts=(), proof=None) for n in (8, 7, 6)), commit(5))
    ),
    "suspect-newest": lambda: with_repository(g(), "west", newest=(commit(6, 1.0, suspect=True), commit(5))),
    "not-proved": lambda: with_repository(g(), "west", newest=(commit(5, proof=None),)),
    "proof-failed": lambda: with_repository(g(), "west", newest=(refuted(), commit(5))),
    "repository-unreachable": lambda: with_repository(g(), "west", why="the folder is not there", newest=(), arrivals=()),
    "writer-repository-unreachable": lambda: with_repository(g(), "east", why="no answer", newest=(), arrivals=()),
    "rolled-back": lambda: with_repository(g(), "west", rolled_back="it ends before slot 7", newest=(), arrivals=()),
    "writer-stopped": lambda: with_site(g(), "east", jobs={"gpt": JobObservation(running=False, ranks=0, wanted=False)}),
    "fenced": fenced,
    "writer-sealed": lambda: with_repository(g(), "east", sealed=1),
    "damaged-objects": lambda: with_site(g(), "west", verified=replace(g().facts.sites["west"].verified, damaged=2)),
    "no-standby": lambda: only_one(good()),
    "site-unreachable": lambda: replace(with_site(g(), "west", reachable=False, why="no supervisord"), looks={}),
    "writer-unseen": lambda: with_site(g(), "east", reachable=False, why="no supervisord"),
    "capacity-short": lambda: with_site(g(), "west", capacity_bound=1, capacity=1),
    "capacity-down": lambda: replace(
        with_site(g(), "west", capacity=0), timings=Timings(TIMED, 3, {"west": (4, NOW - 99)})
    ),
    "capacity-unproved": lambda: replace(with_site(g(), "west", capacity=1), standby_slots={"west": 1}),
    "replicator-down": lambda: with_site(g(), "west", replicator_running=False),
    "replicator-silent": lambda: with_site(g(), "west", verified=replace(g().facts.sites["west"].verified, at=NOW - 999)),
    "job-undefined": lambda: with_look(g(), "west", undefined=("gpt",)),
    "site-drift": lambda: with_look(g(), "west", drift=("slot-1 is STOPPED",)),
    "disk-short": lambda: with_look(g(), "west", free_bytes=10),
    "fit-refused": lambda: replace(with_look(g(), "west", machine=SMALL), works={"gpt": ON_GPU}),
    "fit-changed": lambda: replace(
        with_look(g(), "west", machine=TURING),
        works={"gpt": replace(ON_GPU, peak_bytes=1 << 30)},
    ),
    "fit-unknown": lambda: good(works={"gpt": Work(1000)}),
    "image-absent": lambda: with_look(g(), "west", images={"a@sha256:0": False}),
    "image-unknown": lambda: with_look(g(), "west", images={"a@sha256:0": None}, unknown={"images": "no docker"}),
    "drill-never": lambda: good(drills={}),
    "drill-failed": lambda: drilled(ok=False, result="step 5 FAILED"),
    "drill-old": lambda: drilled(at=NOW - 100 * 86_400),
    "drill-overdue": lambda: good(overdue=Overdue(None, "no full drill was ever held", "drstack drill e")),
    "scrub-overdue": lambda: with_site(
        g(), "west", verified=replace(g().facts.sites["west"].verified, overdue=("scrub",))
    ),
    "promoter-absent": lambda: with_keys(g(), "west", signs=False, why_not="no key that may sign"),
    "recipient-absent": lambda: with_keys(g(), "west", recipients=(), opened=None),
    "recipient-useless": lambda: with_keys(g(), "west", opened=False, why_closed="not wrapped for it"),
    "keys-locked": lambda: with_keys(g(), "west", signs=False, why_not="under a passphrase", locked=True),
    "recipient-untried": lambda: good(custody=replace(g().custody, restored_by=(), command="drstack restore …")),
    "lease-ahead": lambda: with_lease(lease(term=2)),
    "lease-elsewhere": lambda: with_lease(lease(site="west")),
    "lease-absent": lambda: with_lease(None),
    "lease-unrenewed": lambda: with_lease(lease(50.0)),
    "lease-beyond-rto": lambda: with_lease(lease(for_s=3600.0)),
    "lease-wait": lambda: with_lease(lease()),
    "approvers-absent": lambda: with_approvals(alice="no key", bob="key revoked: lost laptop"),
    "approvers-few": lambda: with_approvals(bob="no key", carol="key revoked: left"),
    "approvers-lacking": lambda: with_approvals(bob="no key"),
    "glass-nobody": lambda: with_approvals(quorum=replace(TWO, break_glass=())),
    "glass-unsigned": lambda: good(unsigned=(UNSIGNED,)),
    "approval-waits": lambda: with_approvals(request()),
    "approval-expired": lambda: with_approvals(request(3600.0, given=())),
    "operation-unfinished": lambda: good(operation=OPERATION),
    "operation-paused": lambda: good(operation={**OPERATION, "paused": {"by": "ann", "reason": "lunch"}}),
    "never-timed": lambda: good(timings=Timings()),
    "rto-beyond": lambda: good(timings=Timings({**TIMED, "restore": (700.0,)}, 3)),
}  # fmt: skip


def test_a_fence_that_was_meant_is_told_with_who_and_why_instead_of_how_to_undo_it():
    [found] = judge(fenced()).findings
    assert "east was fenced on purpose by ana at 1970-01-12 13:34:40 UTC: bad GPU, do not start" in found.what
    assert "12 min ago; gpt stands still" in found.what
    assert found.remedy == (
        "drstack fence e east --lift --reason '…' starts it there again (ask ana), or drstack promote e --to west"
    )


def test_of_a_standby_that_was_stopped_on_purpose_how_it_stands_by_again():
    [found] = judge(fenced((), "west")).findings
    assert (found.id, found.site) == ("fenced", "west")
    assert found.remedy == "ask ana; drstack up e --site west --refresh has it stand by again"


def test_of_one_workload_that_was_stopped_alone_the_others_are_not_touched():
    situation = fenced()
    fence = replace(situation.fences[0], workloads=("gpt",), alone=True)
    [found] = judge(replace(situation, fences=(fence,))).findings
    assert (found.workload, found.site) == ("gpt", "east")
    assert found.what.startswith("gpt at east was fenced on purpose")


def test_nothing_is_found_where_nothing_is_wrong():
    made = judge(good())
    assert made.findings == ()
    assert (made.score, made.ready, made.workloads["gpt"].best) == (100, True, "west")
    assert made.workloads["gpt"].standbys["west"].refusal is None


@pytest.mark.parametrize("id_", sorted(BAD))
def test_finds(id_):
    made = judge(BAD[id_]())
    assert {each.id for each in made.findings} == {id_}
    [found, *_] = made.findings
    assert found.severity == CATALOGUE[id_]
    assert found.remedy
    assert made.score == (100 if CATALOGUE[id_] == "note" else int(100 * KEEPS[CATALOGUE[id_]]))
    if CATALOGUE[id_] == "blocking":
        assert not made.ready
    evidence = found.document(NOW)["evidence"]
    assert evidence["source"]
    assert evidence["certainty"] in ("seen", "told", "supposed", "unknown")
    assert (evidence["age_s"] is None) or evidence["age_s"] >= 0
    json.dumps(made.document(), allow_nan=False)


def test_a_step_that_failed_is_named_beside_its_operation():
    made = judge(good(operation={**OPERATION, "failed": {"seal gpt": "no answer"}}))
    assert {each.id for each in made.findings} == {"operation-failed", "operation-unfinished"}


def test_of_a_step_that_nobody_knows_of_a_person_is_asked_and_not_another_operator():
    known = {**OPERATION, "failed": {"step buy": "its operator died"}, "unknown": ["step buy"]}
    [found] = [each for each in judge(good(operation=known)).findings if each.id == "operation-failed"]
    assert "nobody knows whether step buy happened: its operator died" in found.what
    assert found.remedy.startswith("drstack confirm e step buy --reason '…', or --again")


def test_what_the_planner_refuses_for_a_reason_of_its_own_is_told():
    """West must confirm what east writes, and only east's loss shows that a third site may hold more."""
    situation = good()
    each = situation.facts.workloads["gpt"]
    third = replace(each.repositories["west"], name="third", why="no answer", newest=(), arrivals=())
    workloads = {"gpt": replace(each, acknowledge=("third",), repositories={**each.repositories, "third": third})}
    made = judge(replace(situation, facts=replace(situation.facts, workloads=workloads)))
    west = made.workloads["gpt"].standbys["west"]
    assert west.refusal is not None
    assert west.refusal.asks
    told_of = [f for f in made.findings if f.id == "consent-needed"]
    assert re.search("unknown loss", told_of[0].what)
    assert "--accept-data-loss unknown" in told_of[0].remedy


def test_every_finding_of_the_catalogue_has_an_example_here():
    tried = {*BAD, "operation-failed", "consent-needed"}
    assert set(CATALOGUE) - tried == {"promotion-refused"}


def test_a_run_that_ended_well_breaches_nothing():
    stopped = {"gpt": JobObservation(running=False, ranks=0)}
    late = with_repository(good(), "west", arrivals=arrivals(every_s=10.0, newest_age_s=50.0))
    assert not {"arrivals-stopped", "breach-predicted"} & {
        each.id for each in judge(with_site(late, "east", jobs=stopped)).findings
    }


def test_the_best_standby_counts_and_the_worst_workload():
    situation = good()
    facts = situation.facts
    third = replace(facts.sites["west"], site="third")
    each = facts.workloads["gpt"]
    repositories = {**each.repositories, "third": replace(each.repositories["west"], name="third")}
    workloads = {"gpt": replace(each, repositories=repositories)}
    three = replace(
        situation, facts=replace(facts, sites={**facts.sites, "third": third}, workloads=workloads),
        descriptors={**situation.descriptors, "third": situation.descriptors["west"]},
        drills={**situation.drills, "third": situation.drills["west"]},
    )  # fmt: skip
    made = judge(with_site(three, "west", reachable=False, why="away"))
    assert (made.score, made.workloads["gpt"].best) == (100, "third")
    assert made.workloads["gpt"].standbys["west"].score == 0
    assert DEMANDED
