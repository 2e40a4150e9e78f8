"""The site's prover as a program: told by one JSON file, run while it is told anything.

Invariant: it is restarted only when what it is told changed, and never runs at a fenced site.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs
from drstack.platforms.local.atomic import read_json, write_text
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.prover import ProverConfig

READY_S = 30.0


def ensure_prover(folder: SiteFolder, config: ProverConfig | None) -> None:
    """Have it run with this configuration, unless the site is fenced; None: have none. ActuatorFailed."""
    if config is None:
        remove_prover(folder)
        return
    told: dict[str, object] = config.model_dump(mode="json")
    changed = read_json(folder.prover_config) != told
    if changed:
        write_text(folder.prover_config, json.dumps(told, indent=2) + "\n")
    write_text(_program(folder), programs.prover(folder, sys.executable))
    supervisor = Supervisor(folder)
    supervisor.reread()
    if _fenced(folder):
        return
    if changed:
        _stop(folder, supervisor)
    supervisor.start(programs.PROVER)


def remove_prover(folder: SiteFolder) -> None:
    """Stop it, if there is one, and forget what it was told."""
    if not (folder.prover_config.exists() or _program(folder).exists()):
        return
    supervisor = Supervisor(folder)
    _stop(folder, supervisor)
    for path in (_program(folder), folder.prover_config, folder.prover_status):
        path.unlink(missing_ok=True)
    supervisor.reread()


def prover_drift(folder: SiteFolder, config: ProverConfig | None) -> list[str]:
    """What keeps it from being as told, in words."""
    if read_json(folder.prover_config) != (None if config is None else config.model_dump(mode="json")):
        return ["the prover was told otherwise"]
    if config is None or _fenced(folder):
        return []
    try:
        state = Supervisor(folder).programs().get(programs.PROVER)
    except ActuatorFailed:
        return ["supervisord is gone"]
    return [] if state is not None and state.up else [f"the prover is {state.state if state else 'unknown'}"]


def _stop(folder: SiteFolder, supervisor: Supervisor) -> None:
    supervisor.stop(programs.PROVER)

    def stopped() -> bool:
        state = supervisor.programs().get(programs.PROVER)
        return state is None or not state.pid

    if not Deadline(READY_S).until(stopped):
        raise ActuatorFailed(f"site {folder.path}: the prover does not stop within {READY_S:.0f} s")


def _program(folder: SiteFolder) -> Path:
    return folder.programs / "prover.conf"


def _fenced(folder: SiteFolder) -> bool:
    desired = read_desired(folder)
    return desired is not None and desired.fenced is not None
