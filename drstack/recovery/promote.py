"""The acts of a promotion, on what earlier ones left in its journal (DESIGN, rules 4 and 12).

Every act looks before it acts, so that a promotion that was killed, run twice, or run by two operators at once comes to
the same single end.
"""

from __future__ import annotations

from functools import partial
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from drstack.errors import DrstackError, OperationConflict, StepFailed
from drstack.recovery import sealing
from drstack.recovery.bringup import BringUp
from drstack.recovery.leases import end_leases
from drstack.recovery.measure import loss_counted, measure
from drstack.recovery.notices import BROKEN, Notices
from drstack.recovery.pins import let_go
from drstack.recovery.run import Execution, trace_end
from drstack.recovery.unwitnessed import consented, open_in_order, require_proven
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
_RESTORES_AT_ONCE = 8
"""Each restore has its own buffers and its own parallel reads."""


class Promotion(Execution):
    """One operator's execution of a journalled promotion."""

    RESULT = "promoted"
    """How an operation of this kind ends well."""

    def __init__(self, world: World, journal: Journal) -> None:
        super().__init__(world, journal, {
            "fence": self._fence, "lease": self._lease, "seal": self._seal, "assign": self._assign, "requests": self._requests,
            "capacity": self._capacity, "pin": self._pin, "restore": self._restore, "start": self._start,
            "prove": self._prove, "answers": self._answers, "reconcile": self._reconcile,
        })  # fmt: skip
        self._notices = Notices(world, journal, self.plan)
        self._restoring = BoundedSemaphore(_RESTORES_AT_ONCE)

    def finish(self) -> Doc:
        """Do what is left. Returns the end record: phases, recovery point and times, as docs/operations shows it.

        Raises as `run`; OperationConflict if the operation ended otherwise.
        """
        notices = self._notices
        notices.give("begin")
        try:
            end = self._finished()
        except (DrstackError, ReplicatorError) as error:
            notices.give("failed", str(error))
            raise
        else:
            notices.give("end", str(end["result"]))
            return end
        finally:
            notices.wait()

    def glass_broken(self, glass: Doc) -> None:
        super().glass_broken(glass)
        self._notices.give(BROKEN, f"{glass['by']}: {glass['reason']}")

    def _finished(self) -> Doc:
        self.run()
        if "skipped" in (self.journal.outcome("reconcile") or {}):
            let_go(self.world, self.journal)
        end = self.journal.end(self._end())
        if end["result"] != self.RESULT:
            raise OperationConflict(f"operation {self.journal.identity} has ended: {end['result']} ({end.get('why')})")
        trace_end(self.world, self.journal)
        return end

    def _outcome(self, step: str) -> Doc:
        outcome = self.journal.outcome(step)
        if outcome is None or "result" not in outcome:
            raise StepFailed(f"{step} has no outcome in operation {self.journal.identity}")
        return outcome["result"]

    def _planned(self, name: str) -> Doc:
        return next(each for each in self.plan["workloads"] if each["name"] == name)

    def _chosen(self, name: str) -> Doc:
        return {**self._planned(name), **self._outcome(f"seal {name}")}

    def _every_chosen(self) -> list[Doc]:
        return [self._chosen(each["name"]) for each in self.plan["workloads"]]

    def _fence(self, step: Step) -> Doc:
        order = None if consented(self.plan) else self.journal.identity
        fenced = sealing.fence(self.world, self.plan, step.subject, deadline_s=step.timeout_s, order=order)
        require_proven(self.plan, fenced)
        return fenced

    def _lease(self, step: Step) -> Doc:
        fenced = self._outcome(f"fence {step.subject}")["fence"]
        return end_leases(
            self.world, self.plan, step.subject, fenced, self.journal.identity, lambda: self.journal.ended() is None
        )

    def _seal(self, step: Step) -> Doc:
        workload = self._planned(step.subject)
        return sealing.seal(self.world, loss_counted(self.plan, workload), workload, self.journal.identity)

    def _assign(self, _step: Step) -> Doc:
        chosen = self._every_chosen()
        made = sealing.assign(self.world, self.plan, chosen, self.journal.identity)
        brings_up = BringUp(self.world, self.journal, self.plan, made, self._order_after(made))
        troubles = self.world.beside([partial(brings_up.make_way, each) for each in chosen if not each["reopen"]])
        open_all = open_in_order if consented(self.plan) else sealing.open_all
        opens = open_all(self.world, made, self.plan)
        away = [name for name, how in opens.items() if how != "open"]
        detail = f"assignment {made.number}: {self.plan['target']} writes" + (
            f"; away: {', '.join(away)}" if away else ""
        )
        detail += "".join(f"; {why}" for why in troubles if why is not None)
        return {"number": made.number, "opens": opens, "detail": detail}

    def _bring_up(self, workload: Doc | None = None) -> BringUp:
        made = self.world.witness.up_to(int(self._outcome("assign")["number"]))[-1]
        plan = self.plan if workload is None else loss_counted(self.plan, workload)
        return BringUp(self.world, self.journal, plan, made, self._order_after(made), self._restoring)

    def _order_after(self, made: Assignment) -> str | None:
        return None if consented(self.plan) else f"{made.number}-0"

    def _requests(self, _step: Step) -> Doc:
        return self._bring_up().move_requests()

    def _capacity(self, step: Step) -> Doc:
        return self._bring_up().have_capacity(timeout_s=step.timeout_s)

    def _pin(self, step: Step) -> Doc:
        workload = self._chosen(step.subject)
        return self._bring_up(workload).pin(workload)

    def _restore(self, step: Step) -> Doc:
        workload = self._chosen(step.subject)
        return self._bring_up(workload).restore(workload)

    def _start(self, step: Step) -> Doc:
        restored = self._outcome(f"restore {step.subject}")
        return self._bring_up().start(step.subject, int(restored["step"]), timeout_s=step.timeout_s)

    def _prove(self, step: Step) -> Doc:
        first = self._outcome(f"start {step.subject}")["first_step"]
        return self._bring_up().prove(step.subject, int(first), timeout_s=step.timeout_s)

    def _answers(self, _step: Step) -> Doc:
        return self._bring_up().answer()

    def _reconcile(self, _step: Step) -> Doc:
        kept = let_go(self.world, self.journal)
        if self.world.reconcile is None:
            told = "left to the next: drstack up " + str(self.plan["environment"])
        else:
            told = self.world.reconcile(str(self.plan["target"]))
        return {"detail": "; ".join([told, *kept])}

    def _end(self) -> Doc:
        return {
            "result": self.RESULT, "number": self._outcome("assign")["number"],
            **measure(self.journal, self.plan, self._every_chosen()),
        }  # fmt: skip
