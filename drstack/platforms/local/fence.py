"""Fencing a local site: nothing of it writes any more, and what proves that.

`proven` takes supervisord's own word and a look at every process of the machine; where supervisord is dead, that it was
started on this machine since it booted, which shows every process that it could have left. Invariant: doubt of any kind
is graded `assumed`, with its reason, and never raised (DESIGN, rule 7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import jobs, place, processes, programs
from drstack.platforms.local.desired import Desired, change
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from drstack.recovery.ports import Fence

if TYPE_CHECKING:
    from collections.abc import Collection

    from drstack.platforms.local.folder import SiteFolder

GRACE_S = 2.0


def fence(folder: SiteFolder, *, deadline_s: float, order: str | None = None) -> Fence:
    """Stop slots and replicator, kill what stays, and look again. `order`: as of `Site`."""
    deadline = Deadline(deadline_s)
    if not folder.path.is_dir():
        return _assumed(folder, f"the site's folder {folder.path} is not there", deadline)
    try:
        if folder.desired.exists():
            change(folder, lambda now: _closed(now, order))
    except (ActuatorFailed, OSError) as error:
        return _assumed(folder, str(error), deadline)
    try:
        left = _stop(Supervisor(folder, timeout_s=deadline.left_s(5.0)), folder, deadline)
    except (ActuatorFailed, OSError) as error:
        return _by_the_machine(folder, str(error), deadline)
    if not processes.can_look():
        return Fence("assumed", "every program stopped", "this machine does not show its processes")
    if left:
        return Fence("assumed", "every program stopped", f"still there: {', '.join(map(str, left))}")
    return Fence("proven", "every program stopped", "supervisord runs no program, and no process of the site is left")


def fence_workloads(
    folder: SiteFolder, workloads: Collection[str], *, deadline_s: float, order: str | None = None
) -> Fence:
    """Stop the processes of these workloads and leave everything else there as it is."""
    deadline = Deadline(deadline_s)
    names = ", ".join(sorted(workloads))
    try:
        if not folder.path.is_dir():
            return Fence("assumed", "nothing", f"the site's folder {folder.path} is not there")
        if folder.desired.exists():  # all of them before any is waited for: one that does not stop keeps none running
            change(folder, lambda now: (now or Desired(0)).bar(order, workloads).stopped(workloads))
        for name in sorted(workloads):
            jobs.stop(folder, name, deadline_s=deadline.left_s())
    except (ActuatorFailed, OSError) as error:
        return Fence("assumed", f"{names} shall not run", str(error))
    if not processes.can_look():
        return Fence("assumed", f"{names} stopped", "this machine does not show its processes")
    return Fence("proven", f"{names} stopped", f"no rank of {names} is left, and none is wanted there")


def _closed(now: Desired | None, order: str | None) -> Desired:
    return replace((now or Desired(0)).stopped().bar(order), fenced="a promotion elsewhere stopped it")


def _stop(supervisor: Supervisor, folder: SiteFolder, deadline: Deadline) -> list[processes.Seen]:
    """Processes other than supervisord and the leash that are left of the site."""
    names = [name for name, state in supervisor.programs().items() if state.pid or state.up]
    for name in names:
        if name != programs.LEASH:
            supervisor.stop(name)
    Deadline(deadline.left_s(GRACE_S)).until(lambda: not _left(supervisor, folder), 0.1)
    processes.kill([seen.pid for seen in _left(supervisor, folder) if seen.ours], folder)
    deadline.until(lambda: not _left(supervisor, folder), 0.1)
    return _left(supervisor, folder)


def _left(supervisor: Supervisor, folder: SiteFolder) -> list[processes.Seen]:
    states = supervisor.programs()
    keep = {states[programs.LEASH].pid if programs.LEASH in states else 0, supervisor.pid()}
    up = any(state.pid for name, state in states.items() if name != programs.LEASH)
    seen = [each for each in processes.of_site(folder) if each.pid not in keep]
    return seen or ([processes.Seen(0, ours=False, command="a program that supervisord still runs")] if up else [])


def _by_the_machine(folder: SiteFolder, why: str, deadline: Deadline) -> Fence:
    """Supervisord does not answer: kill what is left of the site, itself included, and take this machine's word for it."""
    told = _assumed(folder, why, deadline)
    try:
        if not (processes.can_look() and place.is_here(folder)):
            return told
        if processes.of_site(folder):
            return told
    except (OSError, ValueError) as error:
        return replace(told, proof=f"{told.proof}; where it was started is not known: {error}")
    return Fence(
        "proven",
        "its processes on this machine were looked for and killed",
        f"{why}; it was started on this machine since that booted, and no process of the site is left",
    )


def _assumed(folder: SiteFolder, why: str, deadline: Deadline) -> Fence:
    """Nobody speaks for the site; kill what of it runs on this machine all the same."""
    try:
        left = processes.end(folder, deadline_s=deadline.left_s(5.0))
    except OSError as error:
        return Fence("assumed", "nothing", f"{why}; looking for its processes failed: {error}")
    found = f"still there: {', '.join(map(str, left))}" if left else "no process of it was found on this machine"
    return Fence("assumed", "its processes on this machine were looked for and killed", f"{why}; {found}")
