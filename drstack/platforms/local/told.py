"""A program of a site that is told what to do by one JSON file, and runs under supervisord while it is told anything.

Invariant: it is restarted only when what it is told changed, and never runs at a fenced site.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local.atomic import read_json, write_text
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from drstack.platforms.local.folder import SiteFolder

READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """`name` is supervisord's, `called` people's; `config`: what it is told; `made`: what it writes, forgotten with it."""

    folder: SiteFolder
    name: str
    called: str
    config: Path
    made: tuple[Path, ...] = ()

    def ensure(self, config: BaseModel, program: str) -> None:
        """Have it run with this configuration, unless the site is fenced. `program`: supervisord's section. ActuatorFailed."""
        told: dict[str, object] = config.model_dump(mode="json")
        changed = read_json(self.config) != told
        if changed:
            write_text(self.config, json.dumps(told, indent=2) + "\n")
        write_text(self._program, program)
        supervisor = Supervisor(self.folder)
        supervisor.reread()
        if self._fenced():
            return
        if changed:
            self._stop(supervisor)
        supervisor.start(self.name)

    def remove(self) -> None:
        """Stop it, if there is one, and forget what it was told. ActuatorFailed."""
        if not (self.config.exists() or self._program.exists()):
            return
        supervisor = Supervisor(self.folder)
        self._stop(supervisor)
        for path in (self._program, self.config, *self.made):
            path.unlink(missing_ok=True)
        supervisor.reread()

    def drift(self, config: BaseModel | None) -> list[str]:
        """What keeps it from being as told, in words; None: there should be none."""
        if read_json(self.config) != (None if config is None else config.model_dump(mode="json")):
            return [f"{self.called} was told otherwise"]
        if config is None or self._fenced():
            return []
        try:
            state = Supervisor(self.folder).programs().get(self.name)
        except ActuatorFailed:
            return ["supervisord is gone"]
        return [] if state is not None and state.up else [f"{self.called} is {state.state if state else 'unknown'}"]

    def _stop(self, supervisor: Supervisor) -> None:
        supervisor.stop(self.name)
        if not supervisor.stopped(self.name, within_s=READY_S):
            raise ActuatorFailed(f"site {self.folder.path}: {self.called} does not stop within {READY_S:.0f} s")

    @property
    def _program(self) -> Path:
        return self.folder.programs / f"{self.name}.conf"

    def _fenced(self) -> bool:
        desired = read_desired(self.folder)
        return desired is not None and desired.fenced is not None
