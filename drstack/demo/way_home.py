"""The way home: an operator moves the work back to the site that was lost, is killed in between, and another goes on.

Both are the real command in a process of its own. Which step is the last that the first one does comes from the seed.
Invariant: no operator outlives the demo.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import DemoFailed
from drstack.reconcile.leashed import run_leashed
from drstack.reconcile.processes import RUN_ID, command, members, send
from drstack.recovery.steps import in_order, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from drstack.reconcile.leashed import Finished
    from drstack.reconcile.processes import Process
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class CameHome:
    """`end`: the operation's end record. Times are unix seconds."""

    operation: str
    began_at: float
    killed_after: str
    """The last step that was done when the first operator was killed."""
    left: int
    """Steps that were left to the second one."""
    stopped_step: int
    """The last step that the run made before it was moved."""
    void: int
    """Checkpoints of the site that was lost that do not stand any more."""
    end: Doc

    @property
    def resumed_step(self) -> int:
        return int(self.end["workloads"][0]["step"])

    def document(self, writer: str, last_step: int) -> Doc:
        row = self.end["workloads"][0]
        return {
            "result": self.end["result"], "writer": writer, "operation": self.operation,
            "operator_killed_after": self.killed_after, "steps_left": self.left, "stopped_step": self.stopped_step,
            "resumed_step": self.resumed_step, "rpo_s": row["rpo_s"], "stood_still_s": self.end["rto_s"],
            "void": self.void, "last_step": last_step,
        }  # fmt: skip


def go_home(
    project: Path, environment: str, workload: str, witness: Witness, *, seed: int, say: Callable[[str], None]
) -> CameHome:
    """Fail back to the primary from `project`. DemoFailed."""
    began_at, base = time.time(), len(witness.assignments())
    killer = _Killer(witness, base, random.Random(seed))  # noqa: S311 - dice, no secret
    first = _operator(project, ["failback", environment, "--yes", "--json"], killer.look, killer.run)
    journal, after = killer.journal, killer.done
    if journal is None or after is None or first.code == 0:
        raise DemoFailed(f"failback: no operator was killed in between: {first.complained[-800:]}")
    ids = [step.id for step in steps_of(journal.plan() or {}) or ()]
    left = len(set(ids) - journal.outcomes().keys())
    say(f"the operator was killed after {after}; {left} of {len(ids)} steps are left; another one goes on")
    second = _operator(project, ["resume", environment, "--json"], lambda: None, uuid.uuid4().hex)
    if second.code != 0:
        raise DemoFailed(f"failback: resume ended with {second.code}: {second.complained[-800:]}")
    outcomes = journal.outcomes()
    return CameHome(
        operation=journal.identity, began_at=began_at, killed_after=after, left=left,
        stopped_step=int(outcomes[f"quiesce {workload}"]["result"]["last_step"]),
        void=len(outcomes["rejoin"]["result"]["void"]), end=json.loads(second.printed),
    )  # fmt: skip


def _operator(project: Path, arguments: Sequence[str], tick: Callable[[], None], run: str) -> Finished:
    environ = {**os.environ, RUN_ID: run}
    line = [sys.executable, "-m", "drstack", *arguments]
    return run_leashed(line, cwd=project, environ=environ, timeout_s=TIMEOUT_S, tick=tick)


class _Killer:
    """Kills the operator once the step that the dice chose is done."""

    def __init__(self, witness: Witness, base: int, dice: random.Random) -> None:
        self._witness = witness
        self._base = base
        self._dice = dice
        self._chosen: str | None = None
        self.run = uuid.uuid4().hex
        self.journal: Journal | None = None
        self.done: str | None = None

    def look(self) -> None:
        if self.done is not None:
            return
        if self.journal is None:
            self.journal = next(iter(self._witness.journals(self._base)), None)
            return
        if self._chosen is None:
            steps = in_order(steps_of(self.journal.plan() or {}) or ())
            self._chosen = self._dice.choice([step.id for step in steps][:-1])
        if self.journal.outcome(self._chosen) is not None:
            self.done = self._chosen
            for process in filter(_is_operator, members(self.run)):
                send(process, signal.SIGKILL)


def _is_operator(process: Process) -> bool:
    return command(process.pid)[1:4] == ["-m", "drstack", "failback"]
