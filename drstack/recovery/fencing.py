"""Stopping a site as an operation of its own, and improving a grade once the site is seen again (DESIGN, rule 7).

A fence promotes nobody and seals nothing: what the site wrote stands still until somebody starts it again. Invariant: a grade
only gets better, as a further record `fence` of the operation that has it; and nothing is stopped at a site that is the
writer by a later assignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown, OperationConflict, WitnessUnreachable
from drstack.recovery.approving import admit
from drstack.recovery.conduct import look
from drstack.recovery.glass import break_running
from drstack.recovery.operation import begin, join, parse, unfinished
from drstack.recovery.plan import Plan, with_broken_glass
from drstack.recovery.run import Execution
from drstack.recovery.steps import FENCE_S, fence_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Given
    from drstack.recovery.ports import SiteObservation
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
RESULT = "fenced"
ORDER = ("assumed", "lease-expired", "proven")
_TRIES = 5
_LOOK_BACK = 20
"""Assignments below the newest among whose operations a fence is looked for."""


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
        done = self.world.sites[step.subject].fence(deadline_s=step.timeout_s, only=only)
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
    """Fences that are not proven, of the operation that made the newest assignment and of those planned on it."""
    current = witness.current()
    if current is None:
        return []
    journals = witness.journals(current.number)
    if current.operation is not None:
        journals = [witness.journal(*parse(current.operation)), *journals]
    last = {each.site: each for journal in journals for each in standings(journal)}
    writes = {site: {n for n, w in current.workloads.items() if w.writer == site} for site in last}
    return [
        each for site, each in last.items()
        if each.grade != "proven" and (each.kind == "fence" or not writes[site] & set(each.workloads))
    ]  # fmt: skip


def judged(seen: SiteObservation, workloads: Sequence[str]) -> str | None:
    """What a look at the site proves: that nothing of these workloads runs there. None where it proves nothing. Pure."""
    if not seen.reachable or not seen.shows_processes:
        return None
    jobs = [seen.jobs.get(name) for name in workloads]
    if any(job is None or job.running or job.ranks for job in jobs):
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
    found = next((each for each in unproven(world.witness) if each.site == site), None)
    if found is None:
        raise OperationConflict(
            f"no fence of {site} is left to prove",
            hint=f"drstack fence {world.environment} {site} --reason '…' is a new one.",
        )
    whole = found.kind == "fence" and not found.alone
    done = world.sites[site].fence(deadline_s=FENCE_S, only=None if whole else list(found.workloads))
    if ORDER.index(done.grade) > ORDER.index(found.grade):
        _note(world, found, done.grade, done.done, done.proof)
        return {**found.document(), "grade": done.grade, "proof": done.proof, "improved": True}
    return {**found.document(), "proof": done.proof, "improved": False}


def _note(world: World, found: Standing, grade: str, done: str, proof: str) -> None:
    row = {"site": found.site, "grade": grade, "done": done, "proof": proof, "at": world.clock(), "by": world.by}
    world.witness.journal(*parse(found.operation)).write("fence", row)
