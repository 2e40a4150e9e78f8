"""Recovery points: is there one, how old, with which receipts, proved, and when will it be too old?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drstack.readiness.breach import outlook
from drstack.readiness.catalogue import finding
from drstack.readiness.checks.shipping import bring_back, what_helps, with_keys
from drstack.readiness.loss import without
from drstack.recovery.evidence import told
from drstack.recovery.plan import stopped_at, stranded
from drstack.recovery.points import Wish, choose, refuted
from drstack.recovery.status import spell
from drstack.recovery.stillness import loss_counts_to
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.breach import Outlook
    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts, RepositoryFact, WorkloadFact
    from drstack.recovery.plan import Need
    from drstack.recovery.points import Choice

_UNVERIFIED = 3
"""Sound checkpoints in a row without their receipts, from which a verifier counts as behind."""


def points(situation: Situation) -> Iterator[Finding]:
    facts = situation.facts
    for name, each in facts.workloads.items() if facts is not None else ():
        need = situation.needs[name]
        choice = best(facts, each, need) if facts is not None else None
        assert facts is not None  # noqa: S101 - the loop has it
        if choice is None:
            yield from _none(situation, each, need)
        else:
            yield from _age(situation, facts, each, need, choice)
            yield from _proof(situation, facts, each, choice)
        for repository in each.repositories.values():
            yield from _repository(situation, each, repository)
            if repository.name != each.writer:
                yield from _arrivals(situation, facts, each, need, repository)
        fenced = any(each.writer == fence.site and name in fence.workloads for fence in situation.fences)
        if stopped_at(each, each.writer, facts) and situation.operation is None and not fenced:
            yield finding(
                "writer-stopped", f"{each.name} does not run at {each.writer}, which writes it, {_why_not(facts, each)}",
                f"drstack promote {situation.environment} --to {each.writer}",
                facts.site_evidence(each.writer), workload=name, site=each.writer, role="writer",
            )  # fmt: skip
        if stranded(each) and situation.operation is None:
            yield finding(
                "writer-sealed", f"{each.name}: its log is sealed in the term that {each.writer} writes: nothing can be "
                "committed any more", f"drstack promote {situation.environment} --to {each.writer}",
                facts.site_evidence(each.writer), workload=name, site=each.writer, role="writer",
            )  # fmt: skip


def _why_not(facts: Facts, each: WorkloadFact) -> str:
    job = facts.sites[each.writer].jobs[each.name]
    if not job.hopeless:
        return "and nobody is about to start it"
    return f"and fails whenever it is started ({job.failures} times in a row): {job.failure or 'why is in its log'}"


def best(facts: Facts, each: WorkloadFact, need: Need) -> Choice | None:
    """What a promotion would take if the writer's site were lost."""
    return choose(without(each, each.writer), Wish(need.demanded, need.rpo_s, facts.at))


def ahead(facts: Facts, each: WorkloadFact, need: Need, repository: RepositoryFact) -> Outlook:
    """When this repository will miss the workload's objective."""
    own = each.repositories.get(each.writer)
    newest = repository.arrivals[-1].saved_at if repository.arrivals else -math.inf
    late = [a.saved_at for a in own.arrivals if a.saved_at > newest] if own is not None and repository.arrivals else []
    return outlook(repository.arrivals, now=facts.at, rpo_s=need.rpo_s, waits_since=min(late, default=None))


def _none(situation: Situation, each: WorkloadFact, need: Need) -> Iterator[Finding]:
    """Where a repository can be read: of one that cannot, and of none at all, other findings tell."""
    others = [r for r in each.repositories.values() if r.name != each.writer and r.reachable and not r.rolled_back]
    for other in others[:1]:
        yield finding(
            "recovery-point-none",
            f"no site but {each.writer} has a checkpoint of {each.name} with receipts {', '.join(need.demanded) or 'at all'}",
            f"replicator verify --repo '{other.url}' --workload {each.name} --checkpoint all{with_keys(situation, other.name)}, "
            "once something has arrived",
            other.evidence, workload=each.name, role="any",
        )  # fmt: skip


def _age(situation: Situation, facts: Facts, each: WorkloadFact, need: Need, choice: Choice) -> Iterator[Finding]:
    age_s = facts.at - choice.point.saved_at
    loss_s = loss_counts_to(each, facts) - choice.point.saved_at
    evidence = each.repositories[choice.source].evidence
    if loss_s > need.rpo_s:
        yield finding(
            "recovery-point-old",
            f"{each.name}: the newest recovery point outside {each.writer} is {spell(age_s)} old; the objective is "
            f"{format_duration(need.rpo_s)}",
            what_helps(situation, facts, each, _others(each), choice.point.saved_at),
            evidence, workload=each.name, role="any",
        )  # fmt: skip


def _others(each: WorkloadFact) -> list[RepositoryFact]:
    return [repository for name, repository in each.repositories.items() if name != each.writer]


def _proof(situation: Situation, facts: Facts, each: WorkloadFact, choice: Choice) -> Iterator[Finding]:
    need = situation.needs[each.name]
    failed = refuted(without(each, each.writer), need.demanded)
    prove = f"drstack prove {situation.environment}"
    if failed is not None and failed.proof is not None:
        word = failed.proof
        yield finding(
            "proof-failed", f"{each.name}: step {failed.step} was tried and is not what was saved: {word.reason}",
            "docs/operations/proving.md; then " + prove, told(f"prover of {word.by}", word.at), workload=each.name, role="any",
        )  # fmt: skip
    if not choice.point.proved:
        said = [f"{site}: {seen.proving[each.name]}" for site, seen in facts.sites.items() if each.name in seen.proving]
        yield finding(
            "not-proved",
            f"{each.name}: its recovery point, step {choice.point.step}, was not resumed from by anybody"
            + (f" ({'; '.join(said)})" if said else ""),
            prove, each.repositories[choice.source].evidence, workload=each.name, role="any",
        )  # fmt: skip


def _repository(situation: Situation, each: WorkloadFact, repository: RepositoryFact) -> Iterator[Finding]:
    site, name = repository.name, each.name
    writes = site == each.writer
    if not repository.reachable:
        yield finding(
            "writer-repository-unreachable" if writes else "repository-unreachable",
            f"{site}'s repository cannot be read: {repository.why}", bring_back(repository),
            repository.evidence, workload=name, site=site, role="writer" if writes else "standby",
        )  # fmt: skip
    if repository.rolled_back:
        why, _, command = repository.rolled_back.partition(". Put back what is missing: ")
        anchors = f"{situation.witness}#{situation.environment}/{site}"
        command = command or f"replicator repair --repo '{repository.url}' --from PEER --anchors '{anchors}'"
        yield finding(
            "rolled-back", f"{name}: {site}'s log is older than it was: {why}", command + with_keys(situation, site),
            repository.evidence, workload=name, site=site, role="any",
        )  # fmt: skip
    newest = [commit for commit in repository.newest if not commit.left]
    if newest and newest[0].suspect and not writes:
        yield finding(
            "suspect-newest", f"{name}: the newest checkpoint in {site}, step {newest[0].step}, is suspect",
            f"replicator list --repo '{repository.url}' --workload {name}{with_keys(situation, site)}", repository.evidence,
            workload=name, site=site, role="standby",
        )  # fmt: skip
    demanded = situation.needs[name].demanded
    bare = [commit for commit in newest if not commit.suspect and len(commit.receipts) < len(demanded)]
    if len(bare) >= _UNVERIFIED and not writes:
        yield finding(
            "receipts-missing", f"{name}: the {len(bare)} newest checkpoints in {site} lack receipts {', '.join(demanded)}",
            f"replicator verify --repo '{repository.url}' --workload {name} --checkpoint all{with_keys(situation, site)}",
            repository.evidence,
            workload=name, site=site, role="standby",
        )  # fmt: skip


def _arrivals(
    situation: Situation, facts: Facts, each: WorkloadFact, need: Need, repository: RepositoryFact
) -> Iterator[Finding]:
    seen = ahead(facts, each, need, repository)
    if math.isinf(seen.breach_in_s) or seen.breach_in_s < 0 or seen.interval_s is None or not _runs(facts, each):
        return
    when = f"exceeds the objective of {spell(need.rpo_s)} in {spell(seen.breach_in_s)}"
    if seen.overdue:
        yield finding(
            "arrivals-stopped",
            f"{each.name}: nothing new arrived in {repository.name} for longer than twice the usual "
            f"{spell(seen.interval_s)}; what it holds {when}",
            what_helps(situation, facts, each, (repository,), repository.arrivals[-1].saved_at),
            repository.evidence, workload=each.name, site=repository.name, role="standby",
        )  # fmt: skip
        return
    grows = [
        f"{what} grows by {by_s:.1f} s each"
        for what, by_s in (("the interval", seen.interval_grows_s), ("the lag", seen.lag_grows_s))
        if by_s > 0
    ]
    yield finding(
        "breach-predicted",
        f"{each.name}: at this rate the age of what {repository.name} holds {when} (saved every {spell(seen.interval_s)}, "
        f"arrives {spell(seen.lag_s or 0.0)} later" + "".join(f"; {each}" for each in grows) + ")",
        "save more often (`checkpoints.every`), raise the link's rate (docs/operations/shaping.md), or relax `rpo`",
        repository.evidence, workload=each.name, site=repository.name, role="standby",
    )  # fmt: skip


def _runs(facts: Facts, each: WorkloadFact) -> bool:
    """Whether it makes steps, as far as anybody can see."""
    site = facts.sites.get(each.writer)
    job = site.jobs.get(each.name) if site is not None and site.reachable else None
    return job is None or job.running
