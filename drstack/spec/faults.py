"""What is wrong with an environment file, gathered and told once.

Decides how a fault reads. Invariant: a fault names the line, the field, what stands there, what may, and what
to write, so that nobody has to open the documentation to correct a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct. `line` counts from 1; `field` is a dotted path, empty for the file as a whole."""

    file: str
    line: int
    field: str
    got: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:" + (f" {self.field}:" if self.field else "")
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{where} got {self.got}, expected {self.expected}{remedy}"


class EnvironmentInvalid(DrstackError):
    """All faults of one environment file, in the order of its lines."""

    exit_code = 21

    def __init__(self, path: Path, faults: tuple[Fault, ...]) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(
            f"{path} has {count}:{lines}",
            hint=f"Correct {path}, then run: drstack check {path.stem}",
        )
        self.path = path
        self.faults = faults
