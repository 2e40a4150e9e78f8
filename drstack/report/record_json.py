"""The record as a JSON file, `record.json`, from which the same report can be made again.

Losses that are not finite become null: JSON has no word for them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from drstack.errors import DrstackError
from drstack.report.record import RecoveryRecord

if TYPE_CHECKING:
    from pathlib import Path


def record_json(record: RecoveryRecord) -> str:
    return _adapter().dump_json(record, indent=2).decode() + "\n"


def read_record(path: Path) -> RecoveryRecord:
    """The record of a report. DrstackError if the file holds none."""
    try:
        return _adapter().validate_json(path.read_bytes())
    except ValidationError as error:
        raise DrstackError(f"{path} is no recovery record: {error}", hint="Make the report again.") from error


@cache
def _adapter() -> TypeAdapter[RecoveryRecord]:
    return TypeAdapter(RecoveryRecord)
