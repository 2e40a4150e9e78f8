"""Systems that remember what was asked of them, and break where told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from replicator.consistency.system import Kept
from replicator.errors import PointNotMade


@dataclass
class Recorder:
    name: str
    asked: list[str]
    breaks: str = ""
    hangs: str = ""
    timeout_s: float = 10.0
    kind: str = "recorder"
    facts: dict[str, str] = field(default_factory=dict)

    def _do(self, verb: str) -> None:
        self.asked.append(f"{verb} {self.name}")
        if self.breaks == verb:
            raise PointNotMade(f"no {verb}: https://ann:s3cr3tpw@example.org/")
        if self.hangs == verb:
            time.sleep(30)

    def quiesce(self) -> None:
        self._do("quiesce")

    def keep(self, into: Path) -> Kept:
        self._do("keep")
        (into / "dump").write_text(self.name)
        return Kept("one dump", {"row": self.name})

    def release(self) -> None:
        self._do("release")
