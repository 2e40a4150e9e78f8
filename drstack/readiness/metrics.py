"""What `drstack serve` tells Prometheus: every metric's name, labels and meaning, and its readings of a judgement. Pure.

docs/operations/readiness.md lists the same; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.finding import counts
from drstack.readiness.loss import kind
from replicator.service.metrics import Metric, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from drstack.readiness.drills import Drill
    from drstack.readiness.judge import Readiness, Standby

_ENV, _EACH = ("environment",), ("environment", "workload", "standby")

METRICS = (
    Metric("drstack_readiness_score", "gauge", _ENV, "0 to 100; of the workload that is least ready."),
    Metric("drstack_ready", "gauge", _ENV, "1 if nothing blocks a promotion of any workload to its best standby."),
    Metric("drstack_findings", "gauge", (*_ENV, "severity"), "Findings, by severity."),
    Metric("drstack_finding", "gauge", (*_ENV, "id", "severity", "workload", "site"), "1 for each finding that stands."),
    Metric("drstack_last_judgement_timestamp_seconds", "gauge", _ENV, "When readiness was last judged."),
    Metric("drstack_judgement_duration_seconds", "gauge", _ENV, "How long looking and judging took."),
    Metric("drstack_judgements_total", "counter", _ENV, "Judgements since the service started."),
    Metric("drstack_looks_failed_total", "counter", _ENV, "Those in which nothing could be looked at."),
    Metric("drstack_workload_score", "gauge", _EACH, "0 to 100; of the workload at this standby."),
    Metric("drstack_promotion_would_succeed", "gauge", _EACH, "1 if the planner makes a plan were the writer lost."),
    Metric("drstack_loss_seconds", "gauge", (*_ENV, "workload"), "Work that is lost if its writer is lost now."),
    Metric("drstack_rpo_seconds", "gauge", (*_ENV, "workload"), "The recovery point objective."),
    Metric("drstack_rpo_attained_seconds", "gauge", _EACH, "Interval between saves and lag of arrivals, as seen."),
    Metric(
        "drstack_rpo_breach_predicted_seconds", "gauge", _EACH,
        "Seconds until the standby misses the objective; negative: it does; +Inf: not in sight.",
    ),
    Metric("drstack_back_seconds", "gauge", _EACH, "Estimated time until work runs again; absent where none was timed."),
    Metric("drstack_last_drill_timestamp_seconds", "gauge", (*_ENV, "standby"), "When a restore was last practised."),
    Metric("drstack_last_drill_age_seconds", "gauge", (*_ENV, "standby"), "Time since then, at the last judgement."),
    Metric("drstack_last_drill_ok", "gauge", (*_ENV, "standby"), "1 if it restored all."),
)  # fmt: skip


def readings(readiness: Readiness, drills: Mapping[str, Drill]) -> Iterator[Reading]:
    """Of one judgement; what the service counts comes besides."""
    here = (readiness.environment,)
    yield Reading("drstack_readiness_score", here, readiness.score)
    yield Reading("drstack_ready", here, float(readiness.ready))
    yield Reading("drstack_last_judgement_timestamp_seconds", here, readiness.at)
    for severity, count in counts(readiness.findings).items():
        yield Reading("drstack_findings", (*here, severity), count)
    for labels in sorted({(f.id, f.severity, f.workload or "", f.site or "") for f in readiness.findings}):
        yield Reading("drstack_finding", (*here, *labels), 1)
    for name, each in readiness.workloads.items():
        yield Reading("drstack_rpo_seconds", (*here, name), each.rpo_s)
        if each.loss_s is not None:
            yield Reading("drstack_loss_seconds", (*here, name), each.loss_s)
        for site, standby in each.standbys.items():
            yield from _of_standby(standby, (*here, name, site))
    for site, drill in drills.items():
        yield Reading("drstack_last_drill_timestamp_seconds", (*here, site), drill.at)
        yield Reading("drstack_last_drill_age_seconds", (*here, site), max(0.0, readiness.at - drill.at))
        yield Reading("drstack_last_drill_ok", (*here, site), float(drill.ok))


def _of_standby(standby: Standby, where: tuple[str, ...]) -> Iterator[Reading]:
    yield Reading("drstack_workload_score", where, standby.score)
    yield Reading("drstack_promotion_would_succeed", where, float(kind(standby.refusal) == "succeed"))
    if standby.time is not None:
        yield Reading("drstack_back_seconds", where, standby.time.seconds)
    if standby.outlook is not None:
        yield Reading("drstack_rpo_breach_predicted_seconds", where, standby.outlook.breach_in_s)
        if standby.outlook.attained_rpo_s is not None:
            yield Reading("drstack_rpo_attained_seconds", where, standby.outlook.attained_rpo_s)
