"""Since when a workload's work is known to stand still: what stands still loses nothing more. Pure, but for reading journals.

Invariant: only a proven fence, or a look at the writer's processes, says so; where work may have gone on since, clocks
disagree, or nobody can say, it is not known, and a loss counts up to the look.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drstack.recovery.timekeeping import APART_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.ports import JobObservation
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


def fenced_at(journals: Iterable[Journal]) -> dict[tuple[str, str], float]:
    """By site and workload, when a fence had been proven to stop it, that nobody has undone; unix seconds.

    `journals`: of the operations that were planned on one assignment, in their order. A later assignment starts work anew.
    """
    fences: list[tuple[str, str, float]] = []
    undone: dict[str, float] = {}
    """By workload, when something last set out to start it again, whatever operation it belongs to."""
    for journal in journals:
        records = journal.known()
        plan: Mapping[str, Any] = records[0].body if records else {}
        for record in records:
            body = record.body
            result: Mapping[str, Any] = body.get("result") or {}
            row: Mapping[str, Any] = result.get("fence", {}) if record.kind == "outcome" else body
            if record.kind in ("outcome", "fence") and row.get("grade") == "proven":
                at = float(body.get("ended_at") or body.get("at") or record.at)
                fences += [(str(row["site"]), name, at) for name in _stopped_by(plan, str(row["site"]))]
            elif record.kind == "lift":
                undone |= dict.fromkeys(_stopped_by(plan, str(plan.get("target"))), record.at)
            elif record.kind in ("start again", "started again"):
                undone[str(body.get("workload"))] = record.at
    found: dict[tuple[str, str], float] = {}
    for site, name, at in sorted(fences, key=lambda fence: fence[2]):
        if undone.get(name, -math.inf) < at - APART_S:
            found.setdefault((site, name), at)
    return found


def _stopped_by(plan: Mapping[str, Any], site: str) -> list[str]:
    """What a fence of the site, which this plan has, stops there."""
    moved = [str(each["name"]) for each in plan.get("workloads", ()) if each.get("writer") == site]
    return [str(name) for name in plan.get("stops", ())] or moved


def still_since(each: WorkloadFact, facts: Facts) -> float | None:
    """The moment after which nothing was done any more at its writer, at the latest; None where that is not known."""
    if facts.time.told:
        return None
    site = facts.sites.get(each.writer)
    job = site.jobs.get(each.name) if site is not None and site.reachable else None
    if job is not None and (job.running or job.ranks or job.wanted):
        return None
    known: list[float] = []
    if each.fenced_at is not None and _newest_save(each) <= each.fenced_at + APART_S:
        known.append(each.fenced_at)
    of_this_term = each.started is not False  # a start that made no step shows what one of an earlier term had made
    if of_this_term and site is not None and site.shows_processes and job is not None and job.wanted is False:
        known += [at for at in _last_work(job) if _newest_save(each) <= at + APART_S]
    return min([*known, facts.at]) if known else None


def loss_counts_to(each: WorkloadFact, facts: Facts, failed_at: float | None = None) -> float:
    """Up to when work is lost: to the failure where it was told, else until it stood still, else until the look."""
    if failed_at is not None:
        return failed_at
    still = still_since(each, facts)
    return facts.at if still is None else still


def _newest_save(each: WorkloadFact) -> float:
    saves = [
        one.saved_at for fact in each.repositories.values() if fact.reachable for one in fact.newest if not one.left
    ]
    return max(saves, default=0.0)


def _last_work(job: JobObservation) -> list[float]:
    """Its last step and as long again as a step took: what was begun after it is lost too. Nothing where steps do not say."""
    if job.step is None or job.step_at is None or job.first_step is None or job.first_step_at is None:
        return []
    steps = job.step - job.first_step
    return (
        [job.step_at + (job.step_at - job.first_step_at) / steps]
        if steps > 0 and job.step_at >= job.first_step_at
        else []
    )
