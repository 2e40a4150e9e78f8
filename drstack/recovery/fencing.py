"""Stopping a site as an operation of its own, and improving a grade once the site is seen again (DESIGN, rule 7).

A fence promotes nobody and seals nothing: what the site wrote stands still until somebody starts it again. Invariant: a grade
only gets better, as a further record `fence` of the operation that has it; and nothing is stopped at a site that is the
writer by a later assignment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown, OperationConflict, WitnessUnreachable
from drstack.recovery.approving import admit
from drstack.recovery.conduct import look
from drstack.recovery.consents import with_broken_glass
from drstack.recovery.glass import break_running
from drstack.recovery.operation import begin, join, parse, unfinished
from drstack.recovery.plan import Plan
from drstack.recovery.run import Execution
from drstack.recovery.steps import FENCE_S, fence_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Given
    from drstack.recovery.ports import SiteObservation
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
RESULT = "fenced"
ORDER = ("assumed", "lease-expired", "proven")
_TRIES = 5


def plan_fence(environment: str, facts: Facts, site: str, given: Given) -> Plan:
    """The plan that stops `site`, or these workloads there. EnvironmentUnknown."""
    writes = sorted(name for name, each in facts.workloads.items() if each.writer == site)
    for name in given.only:
        if name not in facts.workloads:
            raise EnvironmentUnknown(
                f"no workload {name!r} writes here", hint=f"Those that do: {', '.join(sorted(facts.workloads))}."
            )
    return Plan(
        environment=environment, target=site, base=facts.assignment.number, workloads=(), fence=(site,), capacity=0,
        consents=with_broken_glass((), given), steps=(fence_step(site, alone=bool(given.only)),), alone=bool(given.only),
        kind="fence", reason=given.reason or "", stops=tuple(given.only) or tuple(writes),
    )  # fmt: skip


def meaning(plan: Plan, *, environment: str) -> str:
    """What it means, for who is to consent to it."""
    stops = ", ".join(plan.stops)
    what = f"{stops} stops at {plan.target}" if stops else f"{plan.target} stops; it writes nothing"
    undo = f"drstack fence {environment} {plan.target} --lift --reason '…'"
    return (
        f"{what}, and nobody is promoted: nothing of it runs until {undo} starts it there again, or "
        f"drstack promote {environment} --to SITE brings it up elsewhere"
    )


class Fencing(Execution):
    """One operator's execution of a journalled fence."""

    def __init__(self, world: World, journal: Journal) -> None:
        super().__init__(world, journal, {"fence": self._fence})

    def _fence(self, step: Step) -> Doc:
        only = list(self.plan["stops"]) if self.plan["alone"] else None
        done = self.world.sites[step.subject].fence(deadline_s=step.timeout_s, only=only, order=self.journal.identity)
        row = {"site": step.subject, "grade": done.grade, "done": done.done, "proof": done.proof}
        return {"fence": row, "detail": f"{done.grade} ({done.proof})"}

    def finish(self) -> Doc:
        """Do what is left. The end record: `result`, `fences`, `stops`. Raises as `run`."""
        self.run()
        rows = [dict(each["result"]["fence"]) for each in self.journal.outcomes().values()]
        end = self.journal.end({"result": RESULT, "fences": rows, "stops": list(self.plan["stops"])})
        if end["result"] != RESULT:
            raise OperationConflict(f"operation {self.journal.identity} has ended: {end['result']} ({end.get('why')})")
        return {**end, "operation": self.journal.identity}


def fence(world: World, site: str, given: Given) -> Doc:
    """Stop `site`. The end record of the operation, with its name. OperationConflict, ApprovalsMissing."""
    _require_site(world, site)
    for _ in range(_TRIES):
        journal = _running(world, site, given) or _begin(world, site, given)
        try:
            return Fencing(world, journal).finish()
        except OperationConflict:
            ended = journal.ended()
            if ended is None or ended["result"] != "superseded":
                raise
    raise OperationConflict(f"facts changed under this fence {_TRIES} times")


def _running(world: World, site: str, given: Given) -> Journal | None:
    running = unfinished(world.witness)
    if running is None:
        return None
    joined = join(running, site, "fence")
    break_running(world, joined, given)
    return joined


def _begin(world: World, site: str, given: Given) -> Journal:
    began_at = world.clock()
    facts = look(world)
    facts_at = world.clock()
    plan = plan_fence(world.environment, facts, site, given)
    document = plan.document()
    admitted = admit(world, document, "fence", given, None)
    times = {"began_at": began_at, "facts_at": facts_at, "planned_at": world.clock()}
    journal, _ = begin(world.witness, {**document, **admitted, "by": given.by, **times})
    return journal


def _require_site(world: World, site: str) -> None:
    if site not in world.sites:
        raise EnvironmentUnknown(
            f"environment {world.environment} has no site {site!r}", hint=f"Its sites are: {', '.join(world.sites)}."
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word on how sure it is that a site cannot act. `workloads`: those that were stopped there."""

    operation: str
    kind: str
    site: str
    grade: str
    proof: str
    workloads: tuple[str, ...]
    alone: bool

    def document(self) -> Doc:
        return {"operation": self.operation, "site": self.site, "grade": self.grade, "proof": self.proof}


def standings(journal: Journal) -> list[Standing]:
    """Of each site that an operation fenced."""
    plan = journal.plan() or {}
    rows: dict[str, Doc] = {}
    for record in journal.records():
        result: Doc = (record.body.get("result") or {}) if record.kind == "outcome" else {}
        row: Mapping[str, Any] = record.body if record.kind == "fence" else (result.get("fence") or {})
        if "site" in row:
            rows[str(row["site"])] = dict(row)
    return [
        Standing(
            journal.identity, str(plan.get("kind", "promote")), site, str(row["grade"]), str(row["proof"]),
            tuple(plan.get("stops") or ()) or tuple(w["name"] for w in plan["workloads"] if w["writer"] == site),
            bool(plan["alone"]),
        )
        for site, row in rows.items()
    ]  # fmt: skip


def unproven(witness: Witness) -> list[Standing]:
    """Fences that are not proven, oldest first: of operations planned on the newest assignment, and of every one by which
    a site lost work that it has not been given since. `workloads`: those that may still run there.
    """  # noqa: D205
    every = witness.assignments()
    if not every:
        return []
    lost, current = _lost_by(every), every[-1]
    found: list[Standing] = []
    for identity in sorted(set(lost.values()), key=parse):
        for each in standings(witness.journal(*parse(identity))):
            doubtful = tuple(name for name in each.workloads if lost.get((each.site, name)) == identity)
            found = _with(found, replace(each, workloads=doubtful))
    for each in [each for journal in witness.journals(current.number) for each in standings(journal)]:
        still = any(current.writer(name) == each.site for name in each.workloads)
        if each.kind == "fence" or not still:
            found = _with(found, each)
    return [each for each in found if each.grade != "proven" and (each.workloads or each.kind == "fence")]


def _lost_by(every: Sequence[Assignment]) -> dict[tuple[str, str], str]:
    """By site and workload that it wrote before, and does not write now: the operation by which it lost it at last."""
    lost: dict[tuple[str, str], str] = {}
    for before, after in pairwise(every):
        for name in before.workloads.keys() & after.workloads.keys():
            if before.writer(name) != after.writer(name) and after.operation is not None:
                lost[before.writer(name), name] = after.operation
                lost.pop((after.writer(name), name), None)
    return lost


def _with(found: list[Standing], later: Standing) -> list[Standing]:
    """A proof that is about all of a site ends every doubt of before; one about workloads, the doubt of those."""
    if later.grade != "proven":
        return [*found, later]
    left = [
        each if each.site != later.site
        else replace(each, workloads=tuple(n for n in each.workloads if later.alone and n not in later.workloads))
        for each in found
    ]  # fmt: skip
    return [each for each in left if each.site != later.site or each.workloads]


def judged(seen: SiteObservation, workloads: Sequence[str]) -> str | None:
    """What a look at the site proves: that nothing of these workloads runs there. None where it proves nothing. Pure."""
    if not seen.reachable or not seen.shows_processes:
        return None
    jobs = [seen.jobs.get(name) for name in workloads]
    if any(job is None or job.running or job.ranks or job.wanted for job in jobs):
        return None
    return f"seen within reach: no rank of {', '.join(workloads) or 'anything'} runs there, and none is wanted"


def note_what_is_seen(world: World, sites: Mapping[str, SiteObservation]) -> list[Standing]:
    """Improve grades by what was seen anyway, touching no site. Returns what is still not proven."""
    left: list[Standing] = []
    for each in unproven(world.witness):
        proof = judged(sites[each.site], each.workloads) if each.site in sites and each.workloads else None
        if proof is None:
            left.append(each)
            continue
        try:
            _note(world, each, "proven", "nothing, it was looked at", proof)
        except WitnessUnreachable:  # who looks may be let read only: it stays told as it was
            left.append(each)
    return left


def again(world: World, site: str) -> Doc:
    """Try once more to prove that what was stopped at `site` is stopped. The row that stands. OperationConflict."""
    _require_site(world, site)
    every = [each for each in unproven(world.witness) if each.site == site]
    if not every:
        raise OperationConflict(
            f"no fence of {site} is left to prove",
            hint=f"drstack fence {world.environment} {site} --reason '…' is a new one.",
        )
    whole = any(each.kind == "fence" and not each.alone for each in every)
    only = None if whole else sorted({name for each in every for name in each.workloads})
    latest = max((each.operation for each in every), key=parse)
    done = world.sites[site].fence(deadline_s=FENCE_S, only=only, order=latest)
    better = [each for each in every if ORDER.index(done.grade) > ORDER.index(each.grade)]
    for each in better:
        _note(world, each, done.grade, done.done, done.proof)
    last = every[-1]
    grade = done.grade if last in better else last.grade
    return {**last.document(), "grade": grade, "proof": done.proof, "improved": bool(better)}


def _note(world: World, found: Standing, grade: str, done: str, proof: str) -> None:
    row = {"site": found.site, "grade": grade, "done": done, "proof": proof, "at": world.clock(), "by": world.by}
    world.witness.journal(*parse(found.operation)).write("fence", row)
