"""Acting on what `repair` decided: the sequence after an engine was killed.

Look at the locks and refuse if a holder may live; end what is left of the dead run; remove its locks; read the state
and keep a copy; look up each creation that was cut off; write the mended state; refresh. Invariant: interrupted
anywhere, the next call does the rest, since nothing is removed before what it stands for is done.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import EngineFailed
from drstack.reconcile.events import resource_name
from drstack.reconcile.locks import locks_of
from drstack.reconcile.lookup import ByPackage, LookupImpossible
from drstack.reconcile.processes import end
from drstack.reconcile.repair import (
    CREATING,
    Holders,
    Pending,
    Refusal,
    Repair,
    Sighting,
    judge_locks,
    mended,
    pending,
    plan_repair,
)
from drstack.reconcile.run import CHANGE_TIMEOUT_S
from drstack.reconcile.runs import forget, runs_of
from drstack.reconcile.survivors import engine_lives, survivors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.reconcile.lookup import Lookup
    from drstack.reconcile.repair import State
    from drstack.reconcile.run import Engine

BACKUPS = "backups"


@dataclass(frozen=True, slots=True)
class Mended:
    """What was repaired; all empty if nothing had to be."""

    locks: tuple[str, ...] = ()
    ended: tuple[int, ...] = ()
    adopted: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    backup: str | None = None

    @property
    def anything(self) -> bool:
        return bool(self.locks or self.ended or self.adopted or self.dropped)


def mend(engine: Engine, stack: str, *, lookup: Lookup | None = None, timeout_s: float = CHANGE_TIMEOUT_S) -> Mended:
    """Repair the stack if a killed update left it in need of it. The caller holds it by `runs.alone`.

    Raises EngineFailed where a holder of the lock may live, or where a resource may exist that cannot be looked up.
    """
    locks = locks_of(engine.settings["PULUMI_BACKEND_URL"], engine.project.name, stack)
    held = locks.list()
    alive = [lock.pid for lock in held if engine_lives(lock)]
    refusal = judge_locks(stack, held, Holders(socket.gethostname(), alive))
    if refusal is not None:
        raise EngineFailed(refusal.why, hint=refusal.hint)
    left = [run for run in runs_of(engine.local_root, stack) if not run.caller_lives]
    backend = engine.settings["PULUMI_BACKEND_URL"]
    ended = end(lambda: survivors(backend, engine.project.name, left)) if held or left else []
    if ended:
        engine.say(f"ended {len(ended)} processes that the dead update left")
    for lock in held:
        engine.say(f"removing the lock of process {lock.pid}, which is gone")
        locks.remove(lock)
    repair, backup = _mend_state(engine, stack, lookup or ByPackage({}), timeout_s)
    for run in left:
        forget(engine.local_root, run)
    return Mended(
        tuple(lock.key for lock in held),
        tuple(ended),
        tuple(operation.urn for operation, _ in repair.adopt),
        tuple(operation.urn for operation in repair.drop),
        backup,
    )


def _mend_state(engine: Engine, stack: str, lookup: Lookup, timeout_s: float) -> tuple[Repair, str | None]:
    state = engine.export(stack)
    operations = pending(state)
    if not operations:
        return Repair(), None
    repair = plan_repair(stack, operations, _look(operations, lookup, engine.say))
    if isinstance(repair, Refusal):
        raise EngineFailed(repair.why, hint=repair.hint)
    for operation in repair.drop:
        engine.say(f"forgetting the {operation.kind} of {resource_name(operation.urn)} that was cut off")
    for operation, found in repair.adopt:
        engine.say(f"taking up {resource_name(operation.urn)}, which exists as {found.id}")
    backup = _keep(engine.local_root, stack, state)
    engine.restore(stack, mended(state, repair))
    engine.refresh(stack, timeout_s=timeout_s)
    return repair, str(backup)


def _look(operations: Sequence[Pending], lookup: Lookup, say: Callable[[str], None]) -> dict[str, Sighting]:
    seen: dict[str, Sighting] = {}
    for operation in operations:
        if operation.kind != CREATING:
            continue
        say(f"looking for {resource_name(operation.urn)}, whose creation was cut off")
        try:
            seen[operation.urn] = lookup(operation.urn, operation.type, operation.inputs)
        except LookupImpossible:
            seen[operation.urn] = "unknown"
    return seen


def _keep(local_root: Path, stack: str, state: State) -> Path:
    """The state as it was, for a person who needs to go back; its secrets are ciphertext."""
    folder = local_root / BACKUPS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"{stack}-{time.strftime('%Y%m%dT%H%M%S')}-", suffix=".json")
    with os.fdopen(handle, "w") as out:
        json.dump(state, out)
        out.flush()
        os.fsync(out.fileno())
    return Path(name)
