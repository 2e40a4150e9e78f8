"""Taking a local site down for good.

Invariant: no process of it is left afterwards, and its checkpoints, metrics and logs stay unless told otherwise.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import processes, programs
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder

SHUTDOWN_S = 20.0


def end_processes(folder: SiteFolder, *, deadline_s: float = SHUTDOWN_S) -> None:
    """Shut supervisord down; kill what is left. ActuatorFailed if something of the site cannot be ended."""
    supervisor = Supervisor(folder)
    if supervisor.answers():
        with contextlib.suppress(
            ActuatorFailed
        ):  # one that is on its way out takes no orders; what it leaves is ended below
            _stop_slots(supervisor)
            supervisor.shutdown()
        Deadline(deadline_s).until(lambda: not any(seen.ours for seen in processes.of_site(folder)), 0.1)
    left = [seen for seen in processes.end(folder, deadline_s=deadline_s) if seen.ours]
    if left:
        raise ActuatorFailed(
            f"site {folder.path}: processes do not end: {', '.join(map(str, left))}", hint="End them by hand."
        )


def _stop_slots(supervisor: Supervisor) -> None:
    """All at once, before the replicator: supervisord alone asks one program after the other, and ranks end together."""
    for name, state in supervisor.programs().items():
        if state.up and programs.is_slot(name):
            supervisor.stop(name)


def remove(folder: SiteFolder, *, keep_data: bool) -> None:
    """Remove what belongs to running, and with `keep_data` False everything."""
    if not keep_data:
        shutil.rmtree(folder.path, ignore_errors=not folder.path.exists())
        return
    for path in (folder.run, folder.pool, folder.spool):
        shutil.rmtree(path, ignore_errors=not path.exists())
    folder.record.unlink(missing_ok=True)
