"""Executes the steps of a journalled operation: side by side where they may, each with intent before and outcome after.

A step that has an outcome is not done again: its outcome is used. Nobody acts on an operation that has ended, that is
paused, or whose assignment was overtaken. Invariant: a step that failed keeps what waits for it from starting, and
nothing else; what was won is never given back because of it (DESIGN, rules 12 and 13).
"""

from __future__ import annotations

from collections import deque
from graphlib import TopologicalSorter
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from drstack.errors import DrstackError, NotTried, OperationConflict, OperationPaused, StepFailed
from drstack.recovery.approving import require_admitted
from drstack.recovery.owning import Owning
from drstack.recovery.steps import steps_of
from drstack.recovery.tracing import operation_spans, step_span
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

    Acts = dict[str, Callable[[Step], "Doc"]]

Doc = dict[str, Any]
DECIDING = ("fence", "seal", "assign")
_AT_ONCE = 32
_IN_A_ROW = 3
"""So many steps that fail one after another at a site, or for one act, and no more of them are tried."""


class Execution:
    """One operator's execution of an operation. Any number may execute the same one."""

    def __init__(self, world: World, journal: Journal, acts: Acts) -> None:
        plan = journal.plan()
        if plan is None:
            raise StepFailed(f"operation {journal.identity} has no plan")
        self.world = world
        self.journal = journal
        self.plan = plan
        self.acts = acts
        self._breaker = _Breaker()
        self._own = Owning(world, journal, plan)
        self._steps = {step.id: step for step in _steps(journal.identity, plan)}

    def run(self) -> None:
        """Do what is left. Raises what the first step that failed raised; the others that could be done are done.

        The operation then stays unfinished, and running it again takes it up. One that was overtaken, or abandoned
        meanwhile, raises OperationConflict; one that is paused OperationPaused; one that lacks approvals ApprovalsMissing.
        """
        glass = require_admitted(self.world, self.journal)
        if glass is not None:
            self.glass_broken(glass)
        sorter = TopologicalSorter({step.id: step.after for step in self._steps.values()})
        sorter.prepare()
        failed: list[BaseException] = []
        waiting: deque[Step] = deque()
        finished: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
        running = 0
        while True:
            waiting.extend(self._due(sorter))
            if any(map(_stops, failed)):
                waiting.clear()
            if not waiting and not running:
                break
            if self.world.one_by_one or (len(waiting) == 1 and not running):
                self._try(waiting.popleft(), finished)
            else:
                while waiting and running < _AT_ONCE:
                    Thread(target=self._try, args=(waiting.popleft(), finished), daemon=True).start()
                    running += 1
            name, error = finished.get()
            running = max(0, running - 1)
            self._settled(name, error, sorter, failed)
        if failed:
            raise _first(failed)

    def glass_broken(self, glass: Doc) -> None:
        """Nobody approved it, and it goes on: called once, before its first step."""
        told = f"BREAKING THE GLASS: {glass['by']} goes on without approvals: {glass['reason']}"
        self.world.progress.end("break-glass", 0.0, told)

    def _due(self, sorter: TopologicalSorter[str]) -> list[Step]:
        """What may start now. A step that is known to have an outcome is done; `intend` finds any other."""
        due: list[Step] = []
        while names := sorter.get_ready():
            settled = self.journal.known_outcomes()
            for name in names:
                if name in settled:
                    sorter.done(name)
                else:
                    due.append(self._steps[name])
        return due

    def _try(self, step: Step, finished: SimpleQueue[tuple[str, BaseException | None]]) -> None:
        """In a thread that dies with the process, so that an interrupted operator waits for no step."""
        try:
            self._do(step)
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            finished.put((step.id, error))
        else:
            finished.put((step.id, None))

    def _settled(
        self, name: str, error: BaseException | None, sorter: TopologicalSorter[str], failed: list[BaseException]
    ) -> None:
        step = self._steps[name]
        if error is None:
            self._breaker.went_well(step)
            sorter.done(name)
            return
        self._breaker.failed(step, error)
        failed.append(error)

    def _do(self, step: Step) -> None:
        self._require_current(step)
        self._breaker.require(step)
        began_at = self.world.clock()
        try:
            self._carry_out(step)
        except OperationPaused:
            raise
        except BaseException as error:
            self._trace(step, began_at, error)
            raise
        self._trace(step, began_at, None)

    def _trace(self, step: Step, began_at: float, error: BaseException | None) -> None:
        records = self.journal.known()
        settled = {str(r.body["step"]): r.body for r in records if r.kind == "outcome"}.get(step.id, {})
        if error is None and settled.get("began_at", began_at) < began_at:
            return  # another operator had done it, and told
        ended_at = self.world.clock() if error is not None else float(settled.get("ended_at", self.world.clock()))
        self.world.spans.ended(
            step_span(
                self.world.environment, self.journal.identity, records, step, self.world.by, began_at=began_at,
                ended_at=ended_at, error=error,
            )
        )  # fmt: skip

    def _carry_out(self, step: Step) -> None:
        if step.own is not None:
            self._own.carry_out(step)
            return
        clock = self.world.clock
        began = clock()
        if not self.journal.intend(step.id, token=f"{self.journal.identity}/{step.id}", at=began, by=self.world.by):
            return
        self.world.progress.begin(step.id)
        try:
            result = self.acts[step.act](step)
        except OperationConflict as error:
            settled = self.journal.outcome(step.id)
            if settled is None:
                self._superseded(str(error))
                raise
            self._told(step, settled)  # another operator did it meanwhile, whatever became of the operation since
            return
        except (DrstackError, ReplicatorError) as error:
            self.journal.write("failure", {"step": step.id, "at": clock(), "why": str(error)})
            raise
        ended_at, detail = result.pop("at", clock()), result.pop("detail", "")
        if ended_at < began:  # it came about in the hands of an operator before this one
            began = min([ended_at, *self._intended(step)])
        settled = self.journal.settle(
            step.id, {"began_at": began, "ended_at": ended_at, "detail": detail, "result": result}
        )
        self._told(step, settled)

    def _told(self, step: Step, settled: Doc) -> None:
        self.world.progress.end(step.id, settled["ended_at"] - settled["began_at"], str(settled["detail"]))

    def _intended(self, step: Step) -> list[float]:
        """When operators set out to do it, unix seconds."""
        return [
            float(each.body["at"])
            for each in self.journal.known()
            if each.kind == "intent" and each.body["step"] == step.id
        ]

    def _require_current(self, step: Step) -> None:
        """OperationConflict where the plan of a step that decides was overtaken."""
        if step.act not in DECIDING:
            return
        base, every = int(self.plan["base"]), self.world.witness.assignments()
        if len(every) > base and every[base].operation != self.journal.identity:
            why = f"assignment {base + 1} was made after the plan"
            self._superseded(why)
            raise OperationConflict(f"operation {self.journal.identity}: {why}")

    def _superseded(self, why: str) -> None:
        """End the operation. OperationConflict, saying how, where it had ended otherwise."""
        ended = self.journal.end({"result": "superseded", "why": why})
        if ended["result"] != "superseded":
            raise OperationConflict(
                f"operation {self.journal.identity} has ended: {ended['result']} ({ended.get('why', '')})"
            )
        trace_end(self.world, self.journal)


def trace_end(world: World, journal: Journal) -> None:
    """Tell the span of an operation that has just ended."""
    for span in operation_spans(world.environment, journal.identity, journal.records()):
        world.spans.ended(span)


class _Breaker:
    """Stops trying where steps fail one after another: at a site, or with one act whatever the site."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}
        self._lock = Lock()

    def require(self, step: Step) -> None:
        """StepFailed where what the step needs has failed too often in a row."""
        with self._lock:
            tired = [key for key in _keys(step) if self._in_a_row.get(key, 0) >= _IN_A_ROW]
        if tired:
            raise NotTried(
                f"{step.id} was not tried: {_IN_A_ROW} steps failed one after another {tired[0]}",
                hint="Mend what failed first; running the same command again tries all that is left.",
            )

    def went_well(self, step: Step) -> None:
        with self._lock:
            for key in _keys(step):
                self._in_a_row.pop(key, None)

    def failed(self, step: Step, error: BaseException) -> None:
        if isinstance(error, NotTried):
            return
        with self._lock:
            for key in _keys(step):
                self._in_a_row[key] = self._in_a_row.get(key, 0) + 1


def _keys(step: Step) -> list[str]:
    if step.own is not None:
        return []  # they have nothing to do with one another
    return [f"at {step.at}", f"in {step.act}"] if step.at else [f"in {step.act}"]


def _steps(identity: str, plan: Doc) -> list[Step]:
    """OperationConflict where a version that knew no steps began the operation."""
    found = steps_of(plan)
    if found is None:
        raise OperationConflict(
            f"operation {identity} was begun by an older version, in steps that this one does not have",
            hint=f"Finish it with the version that began it, or end it: --abandon {identity} --reason '…'.",
        )
    return found


def _ends(error: BaseException) -> bool:
    return isinstance(error, OperationConflict | OperationPaused)


def _stops(error: BaseException) -> bool:
    """Whether nothing else is begun after this."""
    return _ends(error) or not isinstance(error, DrstackError | ReplicatorError)


def _first(failed: list[BaseException]) -> BaseException:
    """What to raise of several: what ends the operation before all, then what was tried before what was not."""
    worst = min(failed, key=lambda error: (not _stops(error), isinstance(error, NotTried)))
    if len(failed) > 1 and isinstance(worst, DrstackError | ReplicatorError):
        others = "; ".join(str(error) for error in failed if error is not worst)
        worst.add_note(f"besides: {others}")
    return worst
