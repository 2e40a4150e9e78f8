"""The holder of a site's leases as a program: told by one JSON file, run while it is told anything.

Invariant: it is restarted only when what it is told changed, and never runs at a fenced site. What trains goes on
meanwhile, until its lease ends.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs
from drstack.platforms.local.atomic import read_json, write_text
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.lease import HolderConfig

READY_S = 30.0


def ensure_holder(folder: SiteFolder, config: HolderConfig | None) -> None:
    """Have it run with this configuration, unless the site is fenced; None: leases are off. ActuatorFailed."""
    if config is None:
        remove_holder(folder)
        return
    told: dict[str, object] = config.model_dump(mode="json")
    changed = read_json(folder.lease_config) != told
    if changed:
        write_text(folder.lease_config, json.dumps(told, indent=2) + "\n")
    write_text(_program(folder), programs.holder(folder, of_site(folder)))
    supervisor = Supervisor(folder)
    supervisor.reread()
    if _fenced(folder):
        return
    if changed:
        _stop(folder, supervisor)
    supervisor.start(programs.HOLDER)


def start_holder(folder: SiteFolder) -> None:
    """Have it run with the configuration that it has, if leases are on. ActuatorFailed."""
    if folder.lease_config.exists():
        Supervisor(folder).start(programs.HOLDER)


def remove_holder(folder: SiteFolder) -> None:
    """Stop it, if there is one, and forget what it was told: leases are off."""
    if not (folder.lease_config.exists() or _program(folder).exists()):
        return
    supervisor = Supervisor(folder)
    _stop(folder, supervisor)
    for path in (_program(folder), folder.lease_config, folder.leases):
        path.unlink(missing_ok=True)
    supervisor.reread()


def holder_drift(folder: SiteFolder, config: HolderConfig | None) -> list[str]:
    """What keeps it from being as told, in words."""
    if read_json(folder.lease_config) != (None if config is None else config.model_dump(mode="json")):
        return ["the holder of leases was told otherwise"]
    if config is None or _fenced(folder):
        return []
    try:
        state = Supervisor(folder).programs().get(programs.HOLDER)
    except ActuatorFailed:
        return ["supervisord is gone"]
    return [] if state is not None and state.up else [f"the holder of leases is {state.state if state else 'unknown'}"]


def _stop(folder: SiteFolder, supervisor: Supervisor) -> None:
    supervisor.stop(programs.HOLDER)

    def stopped() -> bool:
        state = supervisor.programs().get(programs.HOLDER)
        return state is None or not state.pid

    if not Deadline(READY_S).until(stopped):
        raise ActuatorFailed(f"site {folder.path}: the holder of leases does not stop within {READY_S:.0f} s")


def _program(folder: SiteFolder) -> Path:
    return folder.programs / "holder.conf"


def _fenced(folder: SiteFolder) -> bool:
    desired = read_desired(folder)
    return desired is not None and desired.fenced is not None
