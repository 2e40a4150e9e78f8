"""Carrying a promotion out, phase by phase, each journalled: intent before, outcome after (DESIGN, rules 4 and 12).

Every phase looks before it acts, so that a promotion that was killed, run twice, or run by two operators at once comes
to the same single end. A phase that has an outcome in the journal is not done again: its outcome is used. Nobody acts
on an operation that has ended, nor on a plan whose assignment was overtaken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict, StepFailed
from drstack.recovery import sealing
from drstack.recovery.bringup import BringUp
from drstack.recovery.measure import measure
from drstack.recovery.plan import PHASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
EXECUTED = PHASES[PHASES.index("fence") :]
_DECIDING = ("fence", "seal", "assign")


class Promotion:
    """One operator's execution of a journalled promotion. Any number may execute the same one."""

    def __init__(self, world: World, journal: Journal) -> None:
        plan = journal.plan()
        if plan is None:
            raise StepFailed(f"operation {journal.identity} has no plan")
        self._world = world
        self._journal = journal
        self._plan = plan
        self._act: dict[str, Callable[[], Doc]] = {
            "fence": lambda: sealing.fence_all(world, plan),
            "seal": lambda: sealing.seal_all(world, plan, journal.identity),
            "assign": self._assign,
            "pin": lambda: self._bring_up().pin(),
            "restore": lambda: self._bring_up().restore(),
            "actuate": lambda: self._bring_up().actuate(),
            "start": lambda: self._bring_up().start(self._outcome("restore")["restored"]),
            "prove": lambda: self._bring_up().prove(self._outcome("start")["firsts"]),
            "reconcile": self._reconcile,
        }

    def run(self) -> Doc:
        """Do what is left. Returns the end record: phases, recovery point and times, as docs/operations shows it.

        Raises what a phase raises; the operation then stays unfinished, and running it again takes it up. An operation
        that was overtaken, or abandoned meanwhile, raises OperationConflict.
        """
        for phase in EXECUTED:
            if self._journal.outcome(phase) is None:
                self._do(phase)
        end = self._journal.end(self._end())
        if end["result"] != "promoted":
            raise OperationConflict(f"operation {self._journal.identity} has ended: {end['result']} ({end.get('why')})")
        return end

    def _do(self, phase: str) -> None:
        clock = self._world.clock
        self._require_current(phase)
        began = clock()
        self._world.progress.begin(phase)
        self._journal.write("intent", {"step": phase, "token": f"{self._journal.identity}/{phase}", "at": began})
        try:
            result = self._act[phase]()
        except OperationConflict as error:
            self._supersede(str(error))
            raise
        settled = self._journal.settle(phase, {"began_at": began, "ended_at": result.pop("at", clock()), **result})
        self._world.progress.end(phase, settled["ended_at"] - began, str(settled.get("detail", "")))

    def _require_current(self, phase: str) -> None:
        ended = self._journal.ended()
        if ended is not None:
            raise OperationConflict(f"operation {self._journal.identity} has ended: {ended['result']}")
        if phase not in _DECIDING:
            return
        base, every = int(self._plan["base"]), self._world.witness.assignments()
        if len(every) > base and every[base].operation != self._journal.identity:
            why = f"assignment {base + 1} was made after the plan"
            self._supersede(why)
            raise OperationConflict(f"operation {self._journal.identity}: {why}")

    def _supersede(self, why: str) -> None:
        self._journal.end({"result": "superseded", "why": why})

    def _outcome(self, phase: str) -> Doc:
        outcome = self._journal.outcome(phase)
        if outcome is None:
            raise StepFailed(f"{phase} has no outcome in operation {self._journal.identity}")
        return outcome

    def _workloads(self) -> list[Doc]:
        return sealing.chosen(self._plan, self._outcome("seal"))

    def _assign(self) -> Doc:
        made = sealing.assign(self._world, self._plan, self._workloads(), self._journal.identity)
        opens = sealing.open_all(self._world, made, self._plan)
        away = [name for name, how in opens.items() if how != "open"]
        detail = f"assignment {made.number}: {self._plan['target']} writes" + (
            f"; away: {', '.join(away)}" if away else ""
        )
        return {"number": made.number, "opens": opens, "detail": detail}

    def _bring_up(self) -> BringUp:
        made = self._world.witness.assignments()[int(self._outcome("assign")["number"]) - 1]
        return BringUp(self._world, self._journal, self._plan, self._workloads(), made)

    def _reconcile(self) -> Doc:
        kept = self._bring_up().unpin()
        if self._world.reconcile is None:
            told = "left to the next: drstack up " + str(self._plan["environment"])
        else:
            told = self._world.reconcile(str(self._plan["target"]))
        return {"detail": "; ".join([told, *kept])}

    def _end(self) -> Doc:
        return {
            "result": "promoted", "number": self._outcome("assign")["number"],
            **measure(self._journal, self._plan, self._workloads()),
        }  # fmt: skip
