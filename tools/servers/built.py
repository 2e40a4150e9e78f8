"""A server that is built through the Go module proxy into `<cache>/<name>/<version>-<os>-<architecture>/bin`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import cache, command, gobuild
from tools.servers import ServerUnavailable

if TYPE_CHECKING:
    from pathlib import Path

ASK_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class BuiltServer:
    name: str
    version: str
    program: gobuild.Program
    ask: tuple[str, ...]
    """Arguments with which the program says something and ends well."""
    answer: str
    """What it says then, as part of it."""

    def folder(self) -> Path:
        return cache.root() / self.name / f"{self.version}-{cache.host()}"

    def binary(self) -> Path:
        """Path of the server's program, built first where the cache has none. Raises ServerUnavailable."""
        try:
            cache.install(
                self.folder(), self._make, serves=self._serves, label=f"it builds {self.name}", timeout_s=LOCK_TIMEOUT_S
            )
        except (gobuild.BuildFailed, cache.LockBusy, OSError) as error:
            raise ServerUnavailable(
                f"{self.name} {self.version}: {error}. It needs Go (1.21 or newer) and a module proxy (GOPROXY)."
            ) from error
        return self.folder() / "bin" / self.program.name

    def _make(self, partial: Path) -> None:
        gobuild.build(self.program, partial / "bin")
        if not self._serves(partial):
            raise gobuild.BuildFailed("the program that was built does not run")

    def _serves(self, kept: Path) -> bool:
        try:
            said = command.run(
                [str(kept / "bin" / self.program.name), *self.ask],
                label=f"asking {self.name} what it is",
                timeout_s=ASK_TIMEOUT_S,
            )
        except command.CommandFailed:
            return False
        return self.answer in said
