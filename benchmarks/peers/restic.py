"""restic as it comes: encrypted, packs synced, compression `auto`; or without compression, which is its fastest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.machine import said
from benchmarks.peers.keeper import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.peers.keeper import World


@dataclass(frozen=True, slots=True)
class Restic:
    program: Path
    compression: str = "auto"

    @property
    def name(self) -> str:
        return "restic" if self.compression == "auto" else f"restic, compression {self.compression}"

    def version(self) -> str:
        return said([str(self.program), "version"]).split()[1]

    def prepare(self, world: World) -> Sequence[Command]:
        return [self._command(world, "init")]

    def push(self, world: World, checkpoint: Path, step: int) -> Command:
        return self._command(world, "backup", "--host", "trainer", "--tag", f"step-{step}", str(checkpoint))

    def restore(self, world: World, to: Path) -> Command:
        return self._command(world, "restore", "latest", "--target", str(to))

    def _command(self, world: World, *arguments: str) -> Command:
        return Command(
            (str(self.program), "--quiet", *arguments),
            {
                "RESTIC_REPOSITORY": str(world.repository),
                "RESTIC_PASSWORD": "benchmark",
                "RESTIC_COMPRESSION": self.compression,
            },
        )
