"""What is seen to run where a promotion would take it from: then a switchover does better. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.recovery.status import spell

if TYPE_CHECKING:
    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.plan import Given


def seen_to_run(environment: str, facts: Facts, target: str, given: Given) -> tuple[str, ...]:
    """A sentence for each workload that is taken from a site where its processes run and made steps."""
    if given.reopen is not None or given.supposed:
        return ()
    mine = given.only or tuple(facts.workloads)
    taken = [each for name, each in facts.workloads.items() if name in mine and each.writer != target]
    return tuple(said for each in taken if (said := _said(environment, each, facts, target, given)) is not None)


def _said(environment: str, each: WorkloadFact, facts: Facts, target: str, given: Given) -> str | None:
    site = facts.sites.get(each.writer)
    job = site.jobs.get(each.name) if site is not None and site.reachable else None
    if job is None or not job.running or job.step is None or job.first_step_at is None:
        return None
    made = "" if job.step_at is None else f" (made {spell(_age_s(job.step_at, each.writer, facts))} ago)"
    named = "".join(f" --workload {name}" for name in given.only)
    better = f"`drstack switchover {environment} --to {target}{named}` loses nothing"
    back = "once the witness is back " if given.without_witness else ""
    lost = "a promotion loses what was not shipped"
    return f"{each.name} runs at {each.writer} now, at step {job.step}{made}: {back}{better}; {lost}"


def _age_s(at: float, site: str, facts: Facts) -> float:
    """Of a moment that a site dated, by the clock that is taken for right."""
    return max(0.0, facts.at - facts.time.offset_s - (at - facts.time.apart.get(site, 0.0)))
