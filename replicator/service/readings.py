"""What the metrics of a running service are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.service.metrics import Reading
from replicator.service.objective import breach_in_s, exposure_s, interval_s, lag_s, lag_steps
from replicator.service.sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.service.anchoring import Anchoring
    from replicator.service.shipping import Shipping
    from replicator.service.stall import StallAlarm
    from replicator.service.uplink import Uplink
    from replicator.service.verifying import Verifying
    from replicator.service.workload import Workload


def readings(
    alarms: Sequence[StallAlarm],
    uplink: Uplink,
    now: float,
    anchoring: Anchoring | None = None,
    verifying: Verifying | None = None,
) -> Iterator[Reading]:
    """Of all workloads. `now` in unix seconds."""
    if anchoring is not None:
        yield from _of_anchors(anchoring)
    if verifying is not None:
        yield from _of_verification(verifying)
    for alarm in alarms:
        yield from _of_workload(alarm, now)
    for name, lane in list(uplink.lanes.items()):
        yield Reading("replicator_held", (name,), float(lane.held or uplink.held is not None))
        if lane.pace is not None:
            yield Reading("replicator_rate_limit_bytes_per_second", (name,), lane.pace.rate)


def _of_anchors(anchoring: Anchoring) -> Iterator[Reading]:
    yield Reading("replicator_anchors_written_total", (), anchoring.written)
    yield Reading("replicator_anchor_failures_total", (), anchoring.failures)
    for where, each in list(anchoring.logs.items()):
        yield Reading("replicator_rolled_back", where, float(each.rolled_back is not None))
        if each.anchor is not None:
            yield Reading("replicator_anchored_slot", where, each.anchor.slot)
        if each.at is not None:
            yield Reading("replicator_last_anchor_timestamp_seconds", where, each.at)


def _of_verification(verifying: Verifying) -> Iterator[Reading]:
    place, drilled = verifying.place, verifying.drilled
    if verifying.scrubbing is not None:
        yield Reading("replicator_scrub_read_bytes_total", (), verifying.read_bytes)
        yield Reading("replicator_damaged_objects", (), len(verifying.left) if place is None else len(place.damaged))
        yield Reading("replicator_repaired_objects_total", (), verifying.repaired)
        yield Reading("replicator_verification_overdue", ("scrub",), float(verifying.scrub_overdue))
        if place is not None and place.ended_at is not None:
            yield Reading("replicator_last_scrub_timestamp_seconds", (), place.ended_at)
    if verifying.drilling is not None:
        yield Reading("replicator_drills_total", (), verifying.drills)
        yield Reading("replicator_drill_failures_total", (), verifying.drills_failed)
        yield Reading("replicator_verification_overdue", ("drill",), float(verifying.drill_overdue))
        if drilled is not None:
            yield Reading("replicator_last_drill_timestamp_seconds", (), drilled.at)
            yield Reading("replicator_last_drill_duration_seconds", (), drilled.seconds)
            yield Reading("replicator_last_drill_ok", (), float(drilled.ok))


def _of_workload(alarm: StallAlarm, now: float) -> Iterator[Reading]:
    each = alarm.workload
    labels = (each.watched.name,)
    yield Reading("replicator_writer", labels, float(each.role == "writer"))
    if each.watched.rpo_s is not None:
        yield Reading("replicator_rpo_seconds", labels, each.watched.rpo_s)
    yield Reading("replicator_torn_checkpoints", labels, len(each.intake.torn))
    yield Reading("replicator_verified_total", labels, each.keeping.verified)
    yield Reading("replicator_failed_receipts_total", labels, each.keeping.failed)
    yield Reading("replicator_spool_bytes", labels, sum(size_of(entry) for entry in each.spool.entries()))
    for shipper in each.shippers:
        where = (*labels, shipper.repository.name)
        yield from _counts(shipper, where)
        if each.role == "writer":
            yield from _standing(each, shipper, where, now)
    for name in {shipper.repository.name for shipper in each.shippers} if each.role == "writer" else {each.own.name}:
        yield Reading("replicator_stalled", (*labels, name), float(name in alarm.stalled))
    if each.role != "writer" and each.newest is not None:
        where = (*labels, each.own.name)
        yield Reading("replicator_exposure_seconds", where, max(0.0, now - each.newest.saved_at))


def _counts(shipper: Shipping, where: tuple[str, str]) -> Iterator[Reading]:
    status, meter = shipper.status, shipper.meter
    counted = {
        "raw_bytes": status.raw_bytes, "stored_bytes": status.shipped_bytes, "sent_bytes": meter.sent_bytes,
        "commits": status.committed, "refused": status.refused, "skipped": status.skipped,
    }  # fmt: skip
    for name, value in counted.items():
        yield Reading(f"replicator_{name}_total", where, value)
    times = {"commit": status.committed_at, "receipt": status.last_receipt_at, "contact": meter.contact_at}
    for name, at in times.items():
        if at is not None:
            yield Reading(f"replicator_last_{name}_timestamp_seconds", where, at)
    if meter.rate_bytes_per_s is not None:
        yield Reading("replicator_rate_bytes_per_second", where, meter.rate_bytes_per_s)
    for kind, count in meter.kinds().items():
        yield Reading("replicator_failures_total", (*where, kind), count)


def _standing(each: Workload, shipper: Shipping, where: tuple[str, str], now: float) -> Iterator[Reading]:
    pending = each.spool.pending(shipper.repository.name)
    standing = each.standing(shipper, pending)
    yield Reading("replicator_queue_checkpoints", where, len(pending))
    yield Reading("replicator_queue_bytes", where, sum(size_of(entry) for entry in pending))
    oldest = min((entry.push.saved_at for entry in pending), default=now)
    yield Reading("replicator_queue_age_seconds", where, max(0.0, now - oldest))
    yield Reading("replicator_lag_seconds", where, lag_s(standing, now))
    yield Reading("replicator_lag_steps", where, lag_steps(standing))
    exposed = exposure_s(standing, now)
    if exposed is not None:
        yield Reading("replicator_exposure_seconds", where, exposed)
    if each.watched.rpo_s is not None:
        every_s = interval_s(each.saves)
        left = breach_in_s(standing, now=now, rpo_s=each.watched.rpo_s, every_s=every_s)
        yield Reading("replicator_rpo_breach_predicted_seconds", where, left)
