"""A recovery for these tests: east trains to step 41 and dies, west goes on from step 30."""

from dataclasses import replace

from drstack.report import (
    CheckpointMark,
    Failure,
    FenceMark,
    Phase,
    RecoveryRecord,
    Reference,
    Refusal,
    StepMark,
)
from drstack.report.record import PHASES

FAILED_AT = 1_760_000_000.0


def recorded(**changes: object) -> RecoveryRecord:
    east = tuple(StepMark("east", step, FAILED_AT - (41.5 - step) * 0.3, 4 / step) for step in range(1, 42))
    west = tuple(StepMark("west", step, FAILED_AT + 9.8 + (step - 31) * 0.3, 4 / step) for step in range(31, 61))
    checkpoints = (
        CheckpointMark("east", 30, FAILED_AT - 3.2, "saved"),
        CheckpointMark("east", 30, FAILED_AT - 3.0, "committed", "west"),
        CheckpointMark("east", 40, FAILED_AT - 0.1, "torn", "west"),
        CheckpointMark("west", 30, FAILED_AT + 4.0, "restored", "west"),
    )
    edges = [0.0, 1.9, 2.0, 2.1, 2.4, 2.5, 2.6, 2.601, 4.0, 4.4, 9.8, 12.0, 15.0]
    phases = (
        Phase(name, FAILED_AT + began, FAILED_AT + ended)
        for name, began, ended in zip(PHASES, edges, edges[1:], strict=False)
    )
    record = RecoveryRecord(
        environment="demo",
        workload="gpt",
        made_at=FAILED_AT + 60,
        sites=("east", "west"),
        steps=east + west,
        checkpoints=checkpoints,
        failure=Failure("east", FAILED_AT, 41, "moved away"),
        phases=tuple(phases),
        rpo_s=3.2,
        rto_s=9.8,
        rpo_objective_s=60,
        rto_objective_s=120,
        refused=(Refusal("east", FAILED_AT + 13, "commit of step 50", "its term is sealed"),),
        fences=(FenceMark("east", "proven", "its process group is gone"),),
        reference=Reference(match=True, steps_compared=30),
        facts={"crypto": "none"},
        document={"result": "promoted", "number": 2},
    )
    return replace(record, **changes)
