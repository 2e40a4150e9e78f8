"""The verdict: one sentence for somebody who reads nothing else, and the warnings that must not be missed.

Invariant: what was not shown is not claimed. A missed objective, a difference and a fence that is not proven are
said, never left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.report.durations import spoken

if TYPE_CHECKING:
    from drstack.report.record import RecoveryRecord, Reference


def verdict(record: RecoveryRecord) -> str:
    return f"{outcome(record)}; {judgement(record)}."


def outcome(record: RecoveryRecord) -> str:
    """What happened, what was lost and how long it took: a sentence without its full stop."""
    back = f"back after {spoken(record.rto_s)}"
    who = f"{record.writer_now} resumed {record.workload}"
    if record.recovery_step is None:
        return (
            f"{record.writer_now} began {record.workload} anew without a checkpoint, "
            f"all {_steps(record.failure.step)} were lost, {back}"
        )
    if record.lost_steps == 0:
        return f"{who} from step {record.recovery_step}, nothing was lost, {back}"
    were = "was" if record.lost_steps == 1 else "were"
    lost = f"{_steps(record.lost_steps)} ({spoken(record.rpo_s)}) {were} lost"
    return f"{who} from step {record.recovery_step}, {lost}, {back}"


def judgement(record: RecoveryRecord) -> str:
    """How that compares with what was asked for, and how far it is known to be right."""
    parts = [_objectives(record), _comparison(record.reference)]
    doubtful = [f"{each.site} ({each.grade})" for each in record.fences if each.grade != "proven"]
    if unfenced(record):
        doubtful.append(f"{record.failure.site} (no fence recorded)")
    if doubtful:
        parts.append(f"fencing is not proven for {', '.join(doubtful)}")
    return "; ".join(parts)


def warnings(record: RecoveryRecord) -> tuple[str, ...]:
    """Whole sentences about what a reader must not miss; empty if all is well."""
    found: list[str] = []
    for name, met, measured, objective in (
        ("RPO", record.rpo_met, record.rpo_s, record.rpo_objective_s),
        ("RTO", record.rto_met, record.rto_s, record.rto_objective_s),
    ):
        if not met:
            found.append(f"{name} {spoken(measured)} misses its objective of {spoken(objective)}.")
    if record.reference is not None and not record.reference.match:
        found.append(_upper_first(_comparison(record.reference)) + ".")
    found += [
        f"The fence of {each.site} is assumed: nothing confirmed that it stopped. Seals keep the checkpoints safe; "
        f"anything else that {each.site} writes to is not protected."
        for each in record.fences
        if each.grade == "assumed"
    ]
    if unfenced(record):
        found.append(f"No fence of {record.failure.site} is recorded, so nothing shows that it cannot act any more.")
    return tuple(found)


def alt_text(record: RecoveryRecord) -> str:
    """What the picture shows, for those who cannot see it."""
    refused = len(record.refused)
    later = f" {refused} later offer{'s' if refused > 1 else ''} by a dead site refused." if refused else ""
    return (
        f"Timeline in seconds from the failure. {record.failure.site} trains up to step {record.failure.step} and dies "
        f"by {record.failure.how}. RPO {spoken(record.rpo_s)}, objective {spoken(record.rpo_objective_s)}. "
        f"RTO {spoken(record.rto_s)}, objective {spoken(record.rto_objective_s)}. {record.writer_now} goes on from "
        f"{'nothing' if record.recovery_step is None else f'step {record.recovery_step}'}. "
        f"Below, bars of the {len(record.phases)} phases of the recovery.{later}"
    )


def _objectives(record: RecoveryRecord) -> str:
    if record.rpo_met and record.rto_met:
        return "both within the objectives"
    rpo = f"the RPO objective of {spoken(record.rpo_objective_s)} was "
    rto = f"the RTO objective of {spoken(record.rto_objective_s)} was "
    rpo += "met" if record.rpo_met else f"missed by {spoken(record.rpo_s - record.rpo_objective_s)}"
    rto += "met" if record.rto_met else f"missed by {spoken(record.rto_s - record.rto_objective_s)}"
    return f"{rpo} and {rto}" if record.rpo_met == record.rto_met else f"{rpo}, {rto}"


def _comparison(reference: Reference | None) -> str:
    if reference is None or reference.steps_compared == 0:
        return "the resumed run was not compared with a reference"
    if reference.match:
        return f"the resumed run equals {reference.against} bit for bit over {_steps(reference.steps_compared)}"
    first = reference.first_difference
    where = f"at step {first} first" if first is not None else f"within {_steps(reference.steps_compared)}"
    return f"the resumed run differs from {reference.against}, {where}"


def unfenced(record: RecoveryRecord) -> bool:
    """Whether no fence of the failed site is recorded, of any grade."""
    return all(each.site != record.failure.site for each in record.fences)


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]
