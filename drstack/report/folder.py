"""A report as a folder: page, picture and record, made whole beside the old one and then put in its place.

Invariant: whatever fails, `folder` holds the older report or the newer one, whole. A folder that holds anything but a
report is refused, so that nobody loses files by naming the wrong place.
"""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING

from drstack.errors import DrstackError
from drstack.report.record_json import record_json

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.report.record import RecoveryRecord

PAGE, PICTURE, RECORD = "index.html", "timeline.png", "record.json"


def write_report(record: RecoveryRecord, folder: Path) -> Path:
    """Write the report into `folder`, in place of an older one. Returns the path of its page.

    DrstackError if `folder` holds something else than a report, or if the extra `report` is not installed.
    """
    goal = folder.resolve()
    _refuse_other_content(goal)
    goal.parent.mkdir(parents=True, exist_ok=True)
    staged = goal.with_name(f".{goal.name}.{uuid.uuid4().hex}.new")
    staged.mkdir()
    try:
        _render(record, staged)
        _refuse_other_content(goal)
        _put_in_place(staged, goal)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return folder / PAGE


def _render(record: RecoveryRecord, folder: Path) -> None:
    try:
        from drstack.report.page import page  # noqa: PLC0415
        from drstack.report.picture import draw  # noqa: PLC0415

        texts = {RECORD: record_json(record), PAGE: page(record, picture=PICTURE)}
        draw(record, folder / PICTURE)
    except ModuleNotFoundError as error:
        raise DrstackError(
            f"a report cannot be made without {error.name}", hint="pip install 'drstack[report]'"
        ) from error
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for each in folder.iterdir():
        with each.open("rb") as file:
            os.fsync(file.fileno())


def _put_in_place(staged: Path, goal: Path) -> None:
    """A folder cannot be renamed over a full one, so the old one steps aside, and back if the new one cannot come."""
    if not goal.exists():
        staged.rename(goal)
        return
    aside = staged.with_suffix(".old")
    goal.rename(aside)
    try:
        staged.rename(goal)
    except OSError:
        aside.rename(goal)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _refuse_other_content(goal: Path) -> None:
    if not goal.exists():
        return
    others = sorted({each.name for each in goal.iterdir()} - {PAGE, PICTURE, RECORD}) if goal.is_dir() else [goal.name]
    if others:
        raise DrstackError(
            f"{goal} holds something else than a report: {', '.join(others[:3])}",
            hint="Name a folder that does not exist yet, is empty, or holds an older report.",
        )
