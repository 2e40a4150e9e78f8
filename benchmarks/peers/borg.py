"""BorgBackup: encrypted with repokey, zstd at level 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.machine import said
from benchmarks.peers.keeper import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.peers.keeper import World

COMPRESSION = "zstd,3"


@dataclass(frozen=True, slots=True)
class Borg:
    program: Path

    @property
    def name(self) -> str:
        return "borg"

    def version(self) -> str:
        return said([str(self.program), "--version"]).split()[1]

    def prepare(self, world: World) -> Sequence[Command]:
        return [self._command(world, "init", "--encryption", "repokey-blake2", str(world.repository))]

    def push(self, world: World, checkpoint: Path, step: int) -> Command:
        return self._command(
            world, "create", "--compression", COMPRESSION, f"{world.repository}::step-{step}", str(checkpoint)
        )

    def _command(self, world: World, *arguments: str) -> Command:
        allowed = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        return Command(
            (str(self.program), *arguments),
            {"BORG_PASSPHRASE": "benchmark", "BORG_BASE_DIR": str(world.home), **allowed},
        )
