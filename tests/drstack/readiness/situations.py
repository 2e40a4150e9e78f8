"""A situation in which nothing is wrong, and ways to change it: values only."""

from __future__ import annotations

from dataclasses import replace

from drstack.custody.readiness import Readiness as Custody
from drstack.readiness.approvals import Approvals, Waiting
from drstack.readiness.drills import Drill
from drstack.readiness.leasing import Leases
from drstack.readiness.ports import Look
from drstack.readiness.situation import Backend, Descriptor, KeysAtHand, Situation, Timings
from drstack.recovery.evidence import told
from drstack.recovery.facts import Arrival, CommitFact, Facts, RepositoryFact, WorkloadFact
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.plan import Need
from drstack.recovery.ports import JobObservation, RouterObservation, SiteObservation, Verified
from drstack.recovery.quorum import Quorum
from drstack.recovery.timekeeping import judge_clocks
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.leases import HOLD, Lease
from replicator.model import CommitId
from replicator.repository.receipts import Word
from replicator.versions.fit import Machine, Work

NOW = 1_000_000.0
RPO_S, RTO_S = 60.0, 600.0
DEMANDED = ("stored", "decoded")
ACTS = ["fence", "seal", "assign", "pin", "restore", "capacity", "start", "prove", "reconcile", "requests", "answers"]
TIMED = dict.fromkeys(ACTS, (1.0, 1.5, 1.2))


def commit(step: int, age_s: float = 5.0, **changed: object) -> CommitFact:
    made = CommitFact(
        CommitId(1, step), step, NOW - age_s, 1000, False, DEMANDED, f"root {step}", f"step-{step}",
        Word(True, "bit for bit", NOW - 2, "west"),
    )  # fmt: skip
    return replace(made, **changed)


def arrivals(
    every_s: float = 10.0, lag_s: float = 2.0, count: int = 6, newest_age_s: float = 5.0
) -> tuple[Arrival, ...]:
    saves = [NOW - newest_age_s - every_s * n for n in reversed(range(count))]
    return tuple(Arrival(saved, saved + lag_s) for saved in saves)


def repository(name: str, **changed: object) -> RepositoryFact:
    made = RepositoryFact(
        name, f"file:///{name}/store", None, slots=10, term=1, heads={"1": 5}, newest=(commit(5),), arrivals=arrivals(),
        read_at=NOW,
    )  # fmt: skip
    return replace(made, **changed)


def site(name: str, **changed: object) -> SiteObservation:
    made = SiteObservation(
        name, True, capacity=2, capacity_bound=4, replicator_running=True,
        jobs={"gpt": JobObservation(running=name == "east", ranks=2)},
        verified=Verified(drilled_at=NOW - 3600, drilled="step 5 of gpt in 1.0 s", scrubbed_at=NOW - 3600, at=NOW - 1),
    )  # fmt: skip
    return replace(made, **changed)


def good(**changed: object) -> Situation:
    """East writes gpt, which takes two slots; west stands by with two of four."""
    sites = {"east": site("east"), "west": site("west")}
    facts = Facts(
        NOW, Assignment(number=1, workloads={"gpt": WorkloadAssignment(writer="east", term=1)}, cause="create"), sites,
        {"gpt": WorkloadFact("gpt", "east", 1, (), {name: repository(name) for name in sites})},
    )  # fmt: skip
    made = Situation(
        environment="e", at=NOW, witness="memory://witness", facts=facts,
        needs={"gpt": Need(RPO_S, RTO_S, DEMANDED, 2)}, standby_slots={"east": 2, "west": 2},
        descriptors={name: Descriptor(1, NOW - 100, frozenset({"gpt"}), "id") for name in sites}, environment_id="id",
        looks={name: Look(NOW, free_bytes=1 << 40, machine=Machine(gpus=())) for name in sites},
        keys={name: KeysAtHand(True, recipients=("recovery",), opened=True, folder="/keys") for name in sites},
        custody=Custody("drstack-hybrid-1", ("recovery",)), works={"gpt": Work(1000, world=2, gpus=0)},
        backend=Backend("file:///state", True), timings=Timings(TIMED, 3),
        drills={name: Drill(NOW - 3600, True, "step 5", told(name, NOW)) for name in sites},
        serving={"chat": {"east": 100}},
        router=RouterObservation(True, weights={"chat": {"east": 100}}, healthy={"chat": {"east": True, "west": True}}),
    )  # fmt: skip
    return replace(made, **changed)


def with_site(situation: Situation, name: str, **changed: object) -> Situation:
    sites = {**situation.facts.sites, name: replace(situation.facts.sites[name], **changed)}
    return replace(situation, facts=replace(situation.facts, sites=sites))


def with_repository(situation: Situation, name: str, **changed: object) -> Situation:
    each = situation.facts.workloads["gpt"]
    repositories = {**each.repositories, name: replace(each.repositories[name], **changed)}
    workloads = {"gpt": replace(each, repositories=repositories)}
    return replace(situation, facts=replace(situation.facts, workloads=workloads))


def with_look(situation: Situation, name: str, **changed: object) -> Situation:
    return replace(situation, looks={**situation.looks, name: replace(situation.looks[name], **changed)})


def with_keys(situation: Situation, name: str, **changed: object) -> Situation:
    return replace(situation, keys={**situation.keys, name: replace(situation.keys[name], **changed)})


def with_clocks(situation: Situation, saved: float = NOW - 5, here: float = NOW, **sites: float) -> Situation:
    """What the clocks of this machine and of sites read at once; facts are dated by the one that counts."""
    time = judge_clocks(here, sites, [saved])
    told = {name: replace(each, clock=sites.get(name)) for name, each in situation.facts.sites.items()}
    return replace(situation, facts=replace(situation.facts, at=here + time.offset_s, time=time, sites=told))


def lease(age_s: float = 3.0, **changed: object) -> Lease:
    """East's in term 1, for a minute."""
    return replace(Lease(7, HOLD, 1, 60.0, "east", at=NOW - age_s), **changed)


def with_lease(last: Lease | None, situation: Situation | None = None) -> Situation:
    """An environment with `leases: {ttl: 60s}`."""
    policy = LeasePolicy(drift_s=1.2, pause_s=6.0, now=lambda: 0.0)
    return replace(situation or good(), leases=Leases(policy, 20.0, {"gpt": last}))


TWO = Quorum(("alice", "bob", "carol"), 2, 900.0, ("alice",))


def with_approvals(
    *waiting: Waiting, kind: str = "promote", quorum: Quorum = TWO, operation: dict | None = None, **lacks: str
) -> Situation:
    """An environment where two of three people approve a promotion; `lacks`: why somebody has no key."""
    people = dict.fromkeys((*quorum.of, *quorum.break_glass))
    of = Approvals({kind: quorum}, {**people, **lacks}, "/keys/trust.json", waiting)
    return good(approvals=of, operation=operation)


def request(age_s: float = 60.0, **changed: object) -> Waiting:
    made = Waiting("promote", "west", "1f0c" * 4, "dan", NOW - age_s, 2, ("bob",), ("alice", "carol"))
    return replace(made, **changed)
