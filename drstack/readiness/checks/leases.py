"""Leases: does the writer hold them, and how long would a promotion wait for their end?

Invariant: nothing is decided by these times. A record is dated by its writer's clock, which is corrected where the site
tells its time; what a promotion waits is counted by a clock of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import supposed, told
from drstack.recovery.status import spell
from drstack.recovery.timekeeping import APART_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.leasing import Leases
    from drstack.readiness.situation import Situation
    from drstack.recovery.evidence import Evidence
    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.witness.leases import Lease

_MISSED = 2
"""Renewals that have to be missing before anything is said."""


def leases(situation: Situation) -> Iterator[Finding]:
    facts, of = situation.facts, situation.leases
    if facts is None or of is None:
        return
    held: dict[str, dict[str, float]] = {}
    for name, last in of.last.items():
        each = facts.workloads[name]
        wrong = _wrong(situation, facts, of, each, last)
        if wrong is not None:
            yield wrong
        elif last is not None and last.for_s is not None and not last.taken:
            wait_s, rto_s = of.policy.wait_s(last.for_s), situation.needs[name].rto_s
            if wait_s > rto_s:
                yield _too_long(situation, each, last, wait_s, rto_s)
            else:
                held.setdefault(each.writer, {})[name] = wait_s
    for writer, waits in held.items():
        yield finding(
            "lease-wait",
            f"were {writer} lost and its fence not proven, a promotion would wait up to {spell(max(waits.values()))} for the "
            f"leases of {', '.join(sorted(waits))} to end before it starts anything",
            f"a shorter `ttl` under `leases`, then: drstack up {situation.environment}",
            supposed(f"leases on {situation.witness}", facts.at), site=writer, role="writer",
        )  # fmt: skip


def _wrong(situation: Situation, facts: Facts, of: Leases, each: WorkloadFact, last: Lease | None) -> Finding | None:
    name, writer = each.name, each.writer
    evidence = _evidence(situation, name, last)
    if last is None or last.term < each.term:
        if situation.operation is not None:
            return None  # it may have begun the term, and not yet started the work
        return finding(
            "lease-absent",
            f"{writer} never took a lease of {name} in term {each.term}: nobody could say when its work there ends; an "
            "automatic promotion would not begin, and the fence of another that is not proven stays assumed",
            _up(situation, writer), evidence, workload=name, site=writer, role="writer",
        )  # fmt: skip
    if last.term > each.term:
        return finding(
            "lease-ahead",
            f"the last lease of {name} is of term {last.term}, and the newest that is assigned is {each.term}: the witness "
            f"has lost assignments; {writer} may not hold, and a promotion would be refused",
            f"drstack witness repair {situation.environment} --plan", evidence, workload=name,
        )  # fmt: skip
    if not last.taken and last.site != writer:
        return finding(
            "lease-elsewhere",
            f"{last.site} holds the lease of {name} in term {each.term}, which {writer} writes: the witness refuses "
            f"{writer}, and its work may not run; a promotion would wait up to {_wait(of, last)} for its end",
            f"drstack witness repair {situation.environment} --plan (was it put back?), then a promotion, which begins a term: "
            f"drstack promote {situation.environment} --to SITE", evidence, workload=name, site=writer, role="writer",
        )  # fmt: skip
    return _late(situation, facts, of, each, last)


def _late(situation: Situation, facts: Facts, of: Leases, each: WorkloadFact, last: Lease) -> Finding | None:
    return _taken(situation, facts, of, each, last) if last.taken else _unrenewed(situation, facts, of, each, last)


def _unrenewed(situation: Situation, facts: Facts, of: Leases, each: WorkloadFact, last: Lease) -> Finding | None:
    age_s = max(0.0, _now_at(facts, each.writer) - last.at)
    if age_s <= _late_s(of):
        return None
    left_s = (last.for_s or 0.0) - age_s
    work = f"its work there may run for {spell(left_s)} more" if left_s > 0 else "its work there has to stand still"
    return finding(
        "lease-unrenewed",
        f"{each.writer} has not renewed its lease of {each.name} for {spell(age_s)}, and should every "
        f"{spell(of.renew_s)}: {work}; a promotion would wait up to {_wait(of, last)} for its end, unless the fence is proven",
        _up(situation, each.writer), _evidence(situation, each.name, last), workload=each.name, site=each.writer,
        role="writer",
    )  # fmt: skip


def _taken(situation: Situation, facts: Facts, of: Leases, each: WorkloadFact, last: Lease) -> Finding | None:
    """The operation that took it left the writer as it was; once it has ended, the writer may hold again."""
    running = situation.operation
    age_s = max(0.0, facts.at - last.at)
    if (running is not None and running["id"] == last.operation) or age_s <= _late_s(of):
        return None
    return finding(
        "lease-unrenewed",
        f"operation {last.operation} took the lease of {each.name} {spell(age_s)} ago, and {each.writer}, which writes it "
        "still, has not held it since: its work there has to stand still",
        _up(situation, each.writer), _evidence(situation, each.name, last), workload=each.name, site=each.writer, role="writer",
    )  # fmt: skip


def _too_long(situation: Situation, each: WorkloadFact, last: Lease, wait_s: float, rto_s: float) -> Finding:
    return finding(
        "lease-beyond-rto",
        f"{each.name}: were {each.writer} lost and its fence not proven, a promotion would wait up to {spell(wait_s)} for its "
        f"lease to end; the objective is {spell(rto_s)}",
        f"a shorter `ttl` under `leases`, or a longer `rto`, then: drstack up {situation.environment}",
        _evidence(situation, each.name, last), workload=each.name, site=each.writer, role="writer",
    )  # fmt: skip


def _up(situation: Situation, site: str) -> str:
    return f"drstack up {situation.environment} --site {site} --refresh"


def _wait(of: Leases, last: Lease) -> str:
    return spell(of.policy.wait_s(last.for_s or 0.0))


def _late_s(of: Leases) -> float:
    return _MISSED * of.renew_s + APART_S


def _now_at(facts: Facts, site: str) -> float:
    """What the clock of a site reads; where it does not say, what counts."""
    here = facts.at - facts.time.offset_s
    return here + facts.time.apart[site] if site in facts.time.apart else facts.at


def _evidence(situation: Situation, name: str, last: Lease | None) -> Evidence:
    if last is None:
        return told(f"leases/{name} on {situation.witness}", situation.at)
    return told(f"lease {last.n} of {name} on {situation.witness}", last.at)
