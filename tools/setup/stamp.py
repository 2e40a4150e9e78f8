"""What setting up still has to do, decided from the stamp that the last complete one left in `.venv`.

The stamp goes before the work begins and comes back when all of it is done: an interrupted one is done again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "drstack-setup.json"


@dataclass(frozen=True, slots=True)
class Stamp:
    checkout: str
    """Virtual environments name their own absolute path, and cannot be moved."""
    dependencies: str
    project: str


@dataclass(frozen=True, slots=True)
class Work:
    venv: bool
    dependencies: bool
    project: bool

    def __bool__(self) -> bool:
        return self.venv or self.dependencies or self.project


def decide(found: Stamp | None, wanted: Stamp, *, usable: bool) -> Work:
    """`usable`: a Python that serves runs in `.venv`."""
    venv = not usable or (found is not None and found.checkout != wanted.checkout)
    dependencies = venv or found is None or found.dependencies != wanted.dependencies
    project = dependencies or found is None or found.project != wanted.project
    return Work(venv, dependencies, project)


def digest(files: Iterable[Path]) -> str:
    """Of names and contents; a file that is absent counts as such."""
    total = hashlib.sha256()
    for file in files:
        content = file.read_bytes() if file.exists() else b"absent"
        total.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def read(venv: Path) -> Stamp | None:
    try:
        return Stamp(**json.loads((venv / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write(venv: Path, stamp: Stamp) -> None:
    partial = venv / f"{NAME}.partial"
    partial.write_text(json.dumps(asdict(stamp), indent=2) + "\n")
    partial.replace(venv / NAME)


def remove(venv: Path) -> None:
    (venv / NAME).unlink(missing_ok=True)
