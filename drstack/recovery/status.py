"""What an operator wants to know first: who writes, how far behind the standby is, and what would be lost now.

Pure: facts in, a document and one sentence per workload out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.recovery.points import Wish, choose
from drstack.recovery.stillness import loss_counts_to
from drstack.spec.quantities import format_duration
from replicator.versions.brief import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.facts import CommitFact, Facts, WorkloadFact
    from drstack.recovery.plan import Need
    from drstack.recovery.points import Choice
    from drstack.recovery.ports import JobObservation, Verified
    from replicator.repository.anchors import Anchored

Doc = dict[str, Any]


def status(
    environment: str,
    facts: Facts,
    needs: Mapping[str, Need],
    running: str | None,
    back: Mapping[str, tuple[str, str | None]] | None = None,
) -> Doc:
    """The status document; docs/cli.md names its fields. `running`: an operation that has not ended.

    `back`: per workload, in words, when it would be back, and what that is limited by.
    """
    times = back or {}
    return {
        "environment": environment,
        "assignment": facts.assignment.number,
        "operation": running,
        "at": facts.at,
        "sites": {
            name: {
                "reachable": site.reachable, "why": site.why, "capacity": site.capacity,
                "capacity_bound": site.capacity_bound, "replicator": site.replicator_running,
                "verified": None if site.verified is None else _verified(site.verified, facts.at),
            }
            for name, site in facts.sites.items()
        },
        "workloads": {
            name: _workload(each, facts, needs[name], times.get(name)) for name, each in facts.workloads.items()
        },
    }  # fmt: skip


def _verified(said: Verified, now: float) -> Doc:
    def age(at: float | None) -> float | None:
        return None if at is None else now - at

    return {
        "drill": said.drilled, "drill_ok": said.drill_ok, "drill_age_s": age(said.drilled_at),
        "scrub_age_s": age(said.scrubbed_at), "damaged": said.damaged, "overdue": list(said.overdue),
        "next": list(said.next),
    }  # fmt: skip


def verified_in_words(said: Doc) -> str:
    """Drilled 3 h ago (step 40 of gpt in 2.1 s); all read back 2.0 days ago. What is late, or damaged, is said loudly."""
    drilled = "no drill yet"
    if said["drill"] is not None:
        drilled = f"drilled {spell(said['drill_age_s'])} ago ({said['drill']})"
    age = said["scrub_age_s"]
    read = "not yet all read back" if age is None else f"all read back {spell(age)} ago"
    late = "".join(f"; {name} OVERDUE" for name in said["overdue"])
    return f"{drilled}; {read}{late}" + (f"; {said['damaged']} objects DAMAGED" if said["damaged"] else "")


def _workload(each: WorkloadFact, facts: Facts, need: Need, back: tuple[str, str | None] | None) -> Doc:
    site = facts.sites.get(each.writer)
    job = site.jobs.get(each.name) if site is not None else None
    counts = job is not None and _of_this_term(job, started=each.started)
    standbys = {name: fact for name, fact in each.repositories.items() if name != each.writer}
    reachable = {name: fact for name, fact in standbys.items() if fact.reachable}
    until = loss_counts_to(each, facts)
    choice = _best_of(each, reachable or each.repositories, need, until)
    best = (choice.point, choice.source) if choice else None
    age = facts.at - best[0].saved_at if best else None
    loss_s = max(0.0, until - best[0].saved_at) if best else None
    document: Doc = {
        "writer": each.writer,
        "term": each.term,
        "serving": dict(facts.assignment.workloads[each.name].serves),
        "step": job.step if job and counts else None,
        "step_at": job.step_at if job and counts else None,
        "running": bool(job and job.running),
        "recovery_point": None if best is None else {
            "commit": str(best[0].id), "step": best[0].step, "saved_at": best[0].saved_at, "age_s": age,
            "repository": best[1], "receipts": list(best[0].receipts), "why": choice.why if choice else None,
            "made_with": brief(best[0].versions) if best[0].versions else None,
        },
        "proof": _proof(each, facts),
        "rpo_s": need.rpo_s,
        "rto_s": need.rto_s,
        "loss_s": loss_s,
        "within_rpo": loss_s is not None and loss_s <= need.rpo_s,
        "replication": {
            name: {
                "reachable": fact.reachable, "why": fact.why, "term": fact.term, "sealed": fact.sealed,
                "newest_step": fact.newest[0].step if fact.newest else None,
                "lag_s": facts.at - fact.newest[0].saved_at if fact.newest else None,
                "rolled_back": fact.rolled_back, "forked": fact.term > each.term, "anchor": _anchor(fact.anchored, facts.at),
            }
            for name, fact in each.repositories.items()
        },
    }  # fmt: skip
    document["sentence"] = sentence(each.name, document, facts, back)
    return document


def _of_this_term(job: JobObservation, *, started: bool | None) -> bool:
    """Whether the step that is seen is of the run of this term, and not of an earlier one at the same site.

    A start that made no step yet shows the last step of the start before.
    """
    return job.first_step_at is not None and (job.running or started is not False)


def _anchor(there: Anchored | None, now: float) -> Doc | None:
    if there is None:
        return None
    anchor = there.anchor
    return {"slot": anchor.slot, "term": anchor.term, "height": anchor.height, "age_s": now - there.at}


def _best_of(each: WorkloadFact, reachable: Mapping[str, Any], need: Need, now: float) -> Choice | None:
    """What a promotion would take now."""
    narrowed = type(each)(each.name, each.writer, each.term, each.acknowledge, reachable)
    return choose(narrowed, Wish(need.demanded, need.rpo_s, now))


def _proof(each: WorkloadFact, facts: Facts) -> Doc:
    """The newest checkpoint that is proved, the newest that failed if that is newer, and what each prover says."""
    tried = [c for fact in each.repositories.values() for c in fact.newest if c.proof is not None]
    proved = max((c for c in tried if c.proved), key=lambda c: c.id, default=None)
    failed = max(
        (c for c in tried if c.refuted and (proved is None or c.id > proved.id)), key=lambda c: c.id, default=None
    )
    said = {name: site.proving[each.name] for name, site in facts.sites.items() if each.name in site.proving}
    return {"proved": _word(proved, facts.at), "failed": _word(failed, facts.at), "provers": said}


def _word(commit: CommitFact | None, now: float) -> Doc | None:
    if commit is None or commit.proof is None:
        return None
    word = commit.proof
    return {
        "commit": str(commit.id), "step": commit.step, "by": word.by, "at": word.at, "age_s": now - word.at,
        "reason": word.reason,
    }  # fmt: skip


def _proof_in_words(proof: Doc) -> str:
    """Proved 22 min ago (step 41 200); or why nothing is."""
    proved, failed = proof["proved"], proof["failed"]
    parts = [f"proved {spell(proved['age_s'])} ago (step {proved['step']})" if proved else "not proved"]
    if failed:
        parts.append(f"step {failed['step']} was tried {spell(failed['age_s'])} ago and FAILED: {failed['reason']}")
    elif not proved:
        parts += [f"{site}: {said}" for site, said in proof["provers"].items()] or ["no standby tries to"]
    return "; ".join(parts)


def sentence(name: str, document: Doc, facts: Facts, back: tuple[str, str | None] | None = None) -> str:
    """Begins with: If east died now; or, where that may have happened, with: east cannot be seen. As far as it is known."""
    writer, point = document["writer"], document["recovery_point"]
    site = facts.sites.get(writer)
    unseen = site is None or not site.reachable
    begin = f"{_unseen(writer, facts.workloads[name], facts.at)} If it died: " if unseen else f"If {writer} died now: "
    if point is None:
        failed = f"; {_proof_in_words(document['proof'])}" if document["proof"]["failed"] else ""
        return f"{begin}all of {name} would be lost; no other site has a recovery point{failed}."
    steps = (
        f" (step {document['step']} → {point['step']})"
        if document["step"] is not None
        else f" (back to step {point['step']})"
    )
    verdict = "within" if document["within_rpo"] else "BEYOND"
    short = [n for n, s in facts.sites.items() if n != writer and s.reachable and s.capacity_bound > 0]
    limit = "" if short else "; no standby is within reach"
    if site is not None and site.reachable and not site.replicator_running:
        limit += f"; {writer}'s replicator is NOT RUNNING: nothing new is being protected"
    then = f"; {back[0]}" if back else ""
    limit += f"; limited by {back[1]}" if back and back[1] else ""
    return (
        f"{begin}{'at most ' if unseen else ''}{spell(document['loss_s'])} of {name} lost{steps}, {verdict} the objective of "
        f"{format_duration(document['rpo_s'])}{then}; "
        f"its recovery point in {point['repository']} is {', '.join(point['receipts'])}; "
        f"{_proof_in_words(document['proof'])}{limit}."
    )


def _unseen(writer: str, each: WorkloadFact, now: float) -> str:
    """With the last word of it: what it is known to have saved."""
    saved = [one for fact in each.repositories.values() if fact.reachable for one in fact.newest if not one.left]
    last = max(saved, key=lambda one: one.saved_at, default=None)
    heard = f" (it last saved {spell(max(0.0, now - last.saved_at))} ago: step {last.step})" if last is not None else ""
    return f"{writer} CANNOT BE SEEN{heard}; that is no evidence that it died."


def spell(seconds: float) -> str:
    """A duration for people."""
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 7200:  # noqa: PLR2004
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
