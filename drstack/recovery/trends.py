"""What many operations say together: how many met their objectives, and how recent ones stand to earlier ones. Pure.

Invariant: kinds are not mixed: the time that a switchover stood still is no recovery time of a promotion.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from drstack.recovery.history import Past

Doc = dict[str, Any]
RECENT = 5
"""Recoveries whose median is set against that of all before them."""
QUIET = ("keys", "abort")
"""Kinds that open terms by the same steps and bring nothing back: told, and counted nowhere."""


_ONCE_BACK = ("prove", "reconcile")
"""Phases after the work is back: no time that it was away goes into them."""


def trends(operations: Sequence[Past]) -> Doc:
    """Counts by result, how many recoveries met their objectives, and how recent medians stand to earlier ones.

    Recoveries are those of promotions; `kinds` says the same of each kind.
    """
    counted = [each for each in operations if each.kind not in QUIET]
    results = [each.result for each in counted]
    badly = sum(not each.went_well for each in counted)
    kinds = sorted({each.kind for each in counted})
    return {
        "operations": {result: results.count(result) for result in sorted(set(results))},
        "unfinished_or_failed_share": badly / len(counted) if counted else None,
        **_achieved([each for each in counted if each.kind == "promote"]),
        "improved_fences": sum(grade == "proven" for each in counted for grade in _improved(each)),
        "not_counted": _not_counted(operations),
        "assumed_fences": sum(grade == "assumed" for each in counted for grade in each.fences.values()),
        "kinds": {kind: _achieved([each for each in counted if each.kind == kind]) for kind in kinds},
        "failures": _added(each.failures for each in counted),
        "waited": _added(each.waited for each in counted),
        "side_by_side": _median_of(counted, "side_by_side"),
        "waiting_share": _median_of(counted, "waiting_share"),
    }


def _improved(each: Past) -> list[str]:
    return [each.fences[site] for site in each.improved]


def _not_counted(operations: Sequence[Past]) -> dict[str, int]:
    """By kind, operations of which nothing is set against objectives: they have none, or brought nothing back."""
    left = [
        each.kind
        for each in operations
        if each.kind in QUIET or not each.went_well or all(one.verdict is None for one in each.workloads)
    ]
    return {kind: left.count(kind) for kind in dict.fromkeys(left)}


def _achieved(operations: Sequence[Past]) -> Doc:
    well = [each for each in operations if each.went_well]
    every = [one for each in well for one in each.workloads if one.verdict is not None]
    return {
        "recoveries": len(every),
        "met": sum(1 for one in every if one.met),
        "unknown": sum(1 for one in every if one.verdict == "unknown"),
        "rpo_is_bound": any(one.rpo_is_bound for one in every),
        "rto_is_bound": any(one.rto_is_bound for one in every),
        "rpo_s": _trend([one.rpo_s for one in every if one.rpo_s is not None]),
        "rto_s": _trend([one.rto_s for one in every if one.rto_s is not None]),
        "slowest_phase": _slowest(well),
    }


def _added(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sums by name, the greatest first."""
    found: dict[str, float] = {}
    for each in counts:
        for name, much in each.items():
            found[name] = round(found.get(name, 0) + much, 6)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _median_of(operations: Sequence[Past], name: str) -> float | None:
    told = [each.utilisation[name] for each in operations if each.utilisation and each.utilisation[name] is not None]
    return median(told) if told else None


def _trend(values: Sequence[float]) -> Doc:
    """In order of time; `change` is recent over earlier, None while there is nothing earlier."""
    recent, earlier = values[-RECENT:], values[:-RECENT]
    return {
        "last": values[-1] if values else None,
        "worst": max(values, default=None),
        "median": median(values) if values else None,
        "change": median(recent) / median(earlier) if earlier and median(earlier) > 0 else None,
    }


def _slowest(recovered: Sequence[Past]) -> Doc | None:
    """The phase with the greatest median, among those of recoveries, up to when the work was back."""
    names = {name for each in recovered for name in each.phases if name not in _ONCE_BACK}
    medians = {name: median([each.phases[name] for each in recovered if name in each.phases]) for name in names}
    if not medians:
        return None
    name = max(sorted(medians), key=lambda each: medians[each])
    steps = [step for each in reversed(recovered) for step in each.phase_steps.get(name, ())]
    return {"name": name, "median_s": medians[name], "steps": list(dict.fromkeys(steps))}
