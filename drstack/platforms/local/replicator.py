"""The site's replicator: one program under supervisord, told by one JSON file.

Invariant: it is restarted only when what it is told changed, and not for objectives, which it takes up as it runs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs
from drstack.platforms.local.atomic import read_json, write_text
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.logs import tail
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from replicator.service.config import ServiceConfig, needs_restart

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder

READY_S = 30.0
STABLE_S = 1.0


def ensure_replicator(folder: SiteFolder, config: ServiceConfig) -> None:
    """Have it run with this configuration, unless the site is fenced. ActuatorFailed."""
    told: dict[str, object] = config.model_dump(mode="json")
    before = read_json(folder.replicator_config)
    changed = _restarts(before, config)
    if before != told:
        write_text(folder.replicator_config, json.dumps(told, indent=2) + "\n")
    write_program(folder)
    supervisor = Supervisor(folder)
    supervisor.reread()
    if _fenced(folder) is not None:
        return
    if changed:
        stop_replicator(folder, deadline_s=READY_S)
    start_replicator(folder, deadline_s=READY_S)


def _restarts(before: object, config: ServiceConfig) -> bool:
    try:
        return needs_restart(ServiceConfig.model_validate(before), config)
    except ValidationError:
        return True  # nothing was told, or by another version


def write_program(folder: SiteFolder) -> None:
    write_text(folder.programs / "replicator.conf", programs.replicator(folder, of_site(folder)))


def start_replicator(folder: SiteFolder, *, deadline_s: float) -> None:
    """Have it run with the configuration that it has. ActuatorFailed."""
    supervisor = Supervisor(folder)
    supervisor.start(programs.REPLICATOR)
    if not Deadline(deadline_s).until(lambda: supervisor.programs()[programs.REPLICATOR].state == "RUNNING"):
        log = folder.log(programs.REPLICATOR)
        raise ActuatorFailed(
            f"site {folder.path}: the replicator did not start within {deadline_s:.0f} s: {tail(log)}",
            hint=f"Read {log}.",
        )


def stop_replicator(folder: SiteFolder, *, deadline_s: float) -> None:
    supervisor = Supervisor(folder)
    supervisor.stop(programs.REPLICATOR)
    if not supervisor.stopped(programs.REPLICATOR, within_s=deadline_s):
        raise ActuatorFailed(f"site {folder.path}: the replicator does not stop within {deadline_s:.0f} s")


def replicator_drift(folder: SiteFolder) -> list[str]:
    """What keeps it from running, in words."""
    if (why := _fenced(folder)) is not None:
        return [f"the site is fenced: {why}"]
    try:
        state = Supervisor(folder).programs().get(programs.REPLICATOR)
    except ActuatorFailed:
        return ["supervisord is gone"]
    if read_json(folder.replicator_config) is None:
        return ["the replicator's configuration is gone"]
    return [] if state is not None and state.up else [f"the replicator is {state.state if state else 'unknown'}"]


def _fenced(folder: SiteFolder) -> str | None:
    desired = read_desired(folder)
    return None if desired is None else desired.fenced


def remove_replicator(folder: SiteFolder, *, deadline_s: float) -> None:
    stop_replicator(folder, deadline_s=deadline_s)
    (folder.programs / "replicator.conf").unlink(missing_ok=True)
    folder.replicator_config.unlink(missing_ok=True)
    Supervisor(folder).reread()
