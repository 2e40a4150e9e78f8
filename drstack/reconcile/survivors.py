"""What a killed engine leaves running: language hosts and plugins, which may still be in the middle of a create.

Decides who may be ended: processes of a recorded run whose caller is gone, and plugins that no engine owns any more.
Invariant: nothing that a living engine, of whatever stack, has started is among them; a supervisor that a provider
started is not either, since it is no plugin and carries no run's id.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from drstack.reconcile.processes import RUN_ID, Process, command, look, processes, started_at, variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.reconcile.locks import Lock
    from drstack.reconcile.runs import Run

CLOCK_SLACK_S = 5.0
_PLUGIN = re.compile(r"pulumi-(resource|language|analyzer|converter|tool)-[a-z0-9-]+")


def engine_lives(lock: Lock) -> bool:
    """Whether the process that took the lock, on this host, still runs; a later one with its id does not count."""
    process = look(lock.pid)
    if process is None or not is_engine(command(lock.pid)):
        return False
    began = started_at(process)
    return began is None or lock.at is None or began <= lock.at + CLOCK_SLACK_S


def is_engine(arguments: Sequence[str]) -> bool:
    """Whether a command line is the Pulumi CLI's."""
    return bool(arguments) and os.path.basename(arguments[0]) == "pulumi"  # noqa: PTH119


def is_plugin(arguments: Sequence[str]) -> bool:
    """Whether a command line is a plugin's or language host's: the program itself, or what an interpreter runs."""
    return any(_PLUGIN.fullmatch(os.path.basename(argument)) for argument in arguments[:3])  # noqa: PTH119


def survivors(backend_url: str, project: str, runs: Sequence[Run]) -> list[Process]:
    """Processes of those runs whose caller is gone, and plugins of this backend and project that no engine owns."""
    dead = {run.run_id for run in runs if not run.caller_lives}
    every = {process.pid: process for process in processes()}
    found: list[Process] = []
    for process in every.values():
        environ = variables(process.pid)
        orphan = (
            environ.get("PULUMI_BACKEND_URL") == backend_url
            and environ.get("PULUMI_PROJECT", project) == project
            and is_plugin(command(process.pid))
            and not _owned(process, every)
        )
        if (orphan or environ.get(RUN_ID) in dead) and process.pid != os.getpid():
            found.append(process)
    return found


def _owned(process: Process, every: dict[int, Process]) -> bool:
    """Whether an engine is among the process's ancestors."""
    seen: set[int] = set()
    here = process
    while here.parent in every and here.parent not in seen:
        seen.add(here.parent)
        here = every[here.parent]
        if is_engine(command(here.pid)):
            return True
    return False
