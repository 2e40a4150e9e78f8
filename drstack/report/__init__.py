"""The recovery report: what was lost, how long it took and how that is known, for people and for auditors.

Importing this brings neither matplotlib nor jinja2; writing a report needs the extra `drstack[report]`.
"""

from drstack.report.folder import write_report
from drstack.report.record import (
    CheckpointMark,
    Failure,
    FenceMark,
    Phase,
    RecoveryRecord,
    Reference,
    Refusal,
    StepMark,
)
from drstack.report.record_json import read_record, record_json
from drstack.report.verdict import verdict

__all__ = [
    "CheckpointMark",
    "Failure",
    "FenceMark",
    "Phase",
    "RecoveryRecord",
    "Reference",
    "Refusal",
    "StepMark",
    "read_record",
    "record_json",
    "verdict",
    "write_report",
]
