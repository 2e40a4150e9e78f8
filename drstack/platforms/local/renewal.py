"""Programs of a site whose interpreter is gone: the Python environment of whoever made the site was lost with them.

What runs from files that are gone breaks at its next import, and could not be started again. Decides to start it anew
by the caller's interpreter, where that stops no work: the replicator (its spool survives) and slots that run no rank.
Invariant: a slot that runs a rank goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs
from drstack.platforms.local.atomic import read_json
from drstack.platforms.local.pool import slot_index, write_programs
from drstack.platforms.local.replicator import stop_replicator, write_program
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.pool import Bounds
    from drstack.platforms.local.supervisor import ProgramState

RENEW_S = 30.0


def renew_programs(folder: SiteFolder, bounds: Bounds, *, deadline_s: float) -> None:
    """Stop what may be stopped, and have the caller's interpreter run what is started from now on. ActuatorFailed."""
    deadline, supervisor = Deadline(deadline_s), Supervisor(folder)
    states = supervisor.programs()
    idle = [name for name, state in states.items() if state.up and _idle(folder, slot_index(name))]
    for name in idle:
        supervisor.stop(name)
    if programs.REPLICATOR in states:
        stop_replicator(folder, deadline_s=deadline.left_s())
        write_program(folder)
    if not deadline.until(lambda: not any(state.pid for state in _of(supervisor, idle)), 0.1):
        raise ActuatorFailed(f"site {folder.path}: {', '.join(idle)} do not stop within {deadline_s:.0f} s")
    write_programs(folder, bounds)
    supervisor.reread()


def _idle(folder: SiteFolder, slot: int | None) -> bool:
    shown = None if slot is None else read_json(folder.slot(slot))
    return shown is not None and shown.get("child") is None


def _of(supervisor: Supervisor, names: list[str]) -> list[ProgramState]:
    states = supervisor.programs()
    return [states[name] for name in names if name in states]
