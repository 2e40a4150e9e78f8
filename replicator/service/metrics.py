"""What `replicator run --listen` tells Prometheus: every metric's name, kind, labels and meaning, and their readings.

docs/operations/monitoring.md lists the same; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric as Family

Kind = Literal["gauge", "counter"]
_EACH = ("workload", "destination")


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


class Reading(NamedTuple):
    """A value of the metric `name`; `labels` in the order in which the metric names them."""

    name: str
    labels: tuple[str, ...]
    value: float


METRICS = (
    Metric("replicator_writer", "gauge", ("workload",), "1 while this site writes the workload, else 0."),
    Metric("replicator_rpo_seconds", "gauge", ("workload",), "The recovery point objective."),
    Metric("replicator_exposure_seconds", "gauge", _EACH, "Age of the newest sound checkpoint that it holds."),
    Metric("replicator_lag_seconds", "gauge", _EACH, "How long a newer checkpoint than it holds has existed."),
    Metric("replicator_lag_steps", "gauge", _EACH, "Steps between the newest save and what it holds."),
    Metric(
        "replicator_rpo_breach_predicted_seconds", "gauge", _EACH,
        "Seconds until the objective is missed at the present rate; negative: missed; +Inf: not in sight.",
    ),
    Metric("replicator_stalled", "gauge", _EACH, "1 if nothing new arrived there for two intervals."),
    Metric("replicator_raw_bytes_total", "counter", _EACH, "Size of the checkpoints that were committed."),
    Metric("replicator_stored_bytes_total", "counter", _EACH, "Bytes that those commits added to the store."),
    Metric("replicator_sent_bytes_total", "counter", _EACH, "Bytes given to the store, repeated ones too."),
    Metric("replicator_rate_bytes_per_second", "gauge", _EACH, "Rate of the last large writes; 0: no answer."),
    Metric("replicator_rate_limit_bytes_per_second", "gauge", ("destination",), "What its pace allows now."),
    Metric("replicator_held", "gauge", ("destination",), "1 while sending there is stopped for a restore."),
    Metric("replicator_queue_checkpoints", "gauge", _EACH, "Checkpoints that wait for it."),
    Metric("replicator_queue_bytes", "gauge", _EACH, "Their size."),
    Metric("replicator_queue_age_seconds", "gauge", _EACH, "Time since the oldest of them was saved."),
    Metric("replicator_commits_total", "counter", _EACH, "Checkpoints committed."),
    Metric("replicator_refused_total", "counter", _EACH, "Commits refused by a seal."),
    Metric("replicator_skipped_total", "counter", _EACH, "Checkpoints passed over, for newer ones or for room."),
    Metric("replicator_failures_total", "counter", (*_EACH, "kind"), "Failures, by the kind of error."),
    Metric("replicator_last_commit_timestamp_seconds", "gauge", _EACH, "When the last commit was made."),
    Metric("replicator_last_receipt_timestamp_seconds", "gauge", _EACH, "Time of the newest receipt seen."),
    Metric("replicator_last_contact_timestamp_seconds", "gauge", _EACH, "When the store last answered."),
    Metric("replicator_torn_checkpoints", "gauge", ("workload",), "Incomplete checkpoints in the watched folder."),
    Metric("replicator_verified_total", "counter", ("workload",), "Checkpoints read back in the own repository."),
    Metric("replicator_failed_receipts_total", "counter", ("workload",), "Receipts that say that one is damaged."),
    Metric("replicator_spool_bytes", "gauge", ("workload",), "Size of the checkpoints in the spool."),
    Metric("replicator_scrub_read_bytes_total", "counter", (), "Bytes of the own repository that were read back."),
    Metric("replicator_last_scrub_timestamp_seconds", "gauge", (), "When all of it had last been read."),
    Metric("replicator_damaged_objects", "gauge", (), "Packs and manifests known to be damaged there."),
    Metric("replicator_repaired_objects_total", "counter", (), "Packs and manifests put back from a peer."),
    Metric("replicator_drills_total", "counter", (), "Restores that were practised."),
    Metric("replicator_drill_failures_total", "counter", (), "Those after which a trainer had nothing to load."),
    Metric("replicator_last_drill_timestamp_seconds", "gauge", (), "When one last ended."),
    Metric("replicator_last_drill_duration_seconds", "gauge", (), "How long that took."),
    Metric("replicator_last_drill_ok", "gauge", (), "1 if it restored all."),
    Metric("replicator_verification_overdue", "gauge", ("kind",), "1 if no scrub or drill ended for one and a half periods."),
    Metric("replicator_rolled_back", "gauge", _EACH, "1 while an anchor shows that its log was rolled back."),
    Metric("replicator_anchored_slot", "gauge", _EACH, "Up to which entry its log is anchored on the witness."),
    Metric("replicator_last_anchor_timestamp_seconds", "gauge", _EACH, "When that anchor was written."),
    Metric("replicator_anchors_written_total", "counter", (), "Anchors written to the witness by this service."),
    Metric("replicator_anchor_failures_total", "counter", (), "Rounds in which the witness took or gave none."),
)  # fmt: skip
_FAMILIES = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class _Collector:
    def __init__(self, readings: Callable[[], Iterable[Reading]], metrics: Sequence[Metric]) -> None:
        self._readings = readings
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        by_name: dict[str, list[Reading]] = {}
        for reading in self._readings():
            by_name.setdefault(reading.name, []).append(reading)
        for metric in self._metrics:
            family = _FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
            for reading in by_name.pop(metric.name, []):
                family.add_metric(reading.labels, reading.value)
            yield family
        if by_name:
            raise KeyError(f"readings of metrics that are not declared: {', '.join(by_name)}")

    def describe(self) -> Iterator[Family]:
        """Nothing is read when the collector is registered."""
        return iter(())


def exposition(readings: Callable[[], Iterable[Reading]], metrics: Sequence[Metric] = METRICS) -> bytes:
    """The text that Prometheus scrapes. KeyError where there is a reading of none of these metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(readings, metrics))  # pyright: ignore[reportArgumentType]  # a collector by its methods
    return generate_latest(registry)
