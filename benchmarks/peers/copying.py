"""Copying the files, with what a restore does too: every file and folder synced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import run

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Run

NAME = "cp -r and sync"
_SCRIPT = 'cp -r "$1" "$2" && find "$2" -exec sync {} +'


def copy(source: Path, to: Path) -> Run:
    return run(["sh", "-c", _SCRIPT, "sh", str(source), str(to)])
