"""The replicator itself, encrypted and signed as `init` makes a repository, or plain."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.keeper import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.keeper import World

WORKLOAD = "gpt"


@dataclass(frozen=True, slots=True)
class Replicator:
    encrypted: bool = True

    @property
    def name(self) -> str:
        return "replicator" if self.encrypted else "replicator, plain"

    def version(self) -> str:
        return version("drstack")

    def prepare(self, world: World) -> Sequence[Command]:
        world.repository.mkdir()
        crypto = ["--keys", str(_keys(world))] if self.encrypted else ["--crypto", "none"]
        return [self._command("init", "--repo", _url(world), *crypto)]

    def push(self, world: World, checkpoint: Path, step: int) -> Command:
        return self._command(
            "push", str(checkpoint), "--repo", _url(world), "--workload", WORKLOAD, "--step", str(step),
            *self._reading(world),
        )  # fmt: skip

    def restore(self, world: World, to: Path) -> Command:
        return self._command("restore", "latest", "--repo", _url(world), "--to", str(to), *self._reading(world))

    def _reading(self, world: World) -> list[str]:
        return ["--keys", str(_keys(world))] if self.encrypted else []

    def _command(self, *arguments: str) -> Command:
        return Command((str(Path(sys.executable).with_name("replicator")), *arguments), {})


def _keys(world: World) -> Path:
    return world.home / "keys"


def _url(world: World) -> str:
    return world.repository.as_uri()
