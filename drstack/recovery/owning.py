"""Carries out users' own steps: one executor at a time, looked up rather than guessed, never repeated blindly.

Whoever would do a step claims it in the journal. Another operator waits for the one who has it; where that one died, or
was silent for longer than the step could take, the outcome is unknown. Then a check decides, or the step is one that may
be repeated, or a person says what happened. Invariant: without one of the three nothing is done twice (DESIGN, rule 13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import ConsentRequired, NotConfirmed, OutcomeUnknown, StepFailed
from drstack.recovery.acting import Checked, Context, Said
from drstack.recovery.standing import Standing, silent_s, standing
from replicator.repository.repository import random_token

if TYPE_CHECKING:
    from drstack.recovery.acting import Actions
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
_POLL_S = 0.5
_BACKOFF_S = 30.0
_CHECK_S = 60.0


class Owning:
    """Own steps of one operation, for one operator."""

    def __init__(self, world: World, journal: Journal, plan: Doc) -> None:
        self._world, self._journal, self._plan = world, journal, plan

    def carry_out(self, step: Step) -> None:
        """Do it, or find it done. StepFailed, OutcomeUnknown, NotConfirmed, ConsentRequired; as `Journal.intend`."""
        if step.own is None:
            raise StepFailed(f"{step.id} is no step of the environment file")
        began = self._world.clock()
        if step.act == "wait":
            self._await_word(step, began)
            return
        claim = self._claimed(step, self._actions(step), began)
        if claim is None:
            return
        self._world.progress.begin(step.id)
        try:
            said = self._tried(step, claim)
        except StepFailed as error:
            unknown = isinstance(error, OutcomeUnknown)
            self._record("failure", step, claim, why=str(error), unknown=unknown)
            raise
        except ConsentRequired as error:
            self._record("failure", step, claim, why=str(error), unknown=False)
            raise
        self._settle(step, began, said.detail, said.result)

    def _claimed(self, step: Step, actions: Actions, began: float) -> str | None:
        """The claim that was won; None where the step is done. Raises where nobody may do it."""
        since, seen, met = self._world.clock(), -1, False
        while True:
            now = standing(self._journal.records(), step.id)
            if now.state == "done":
                return None
            if now.seen != seen:
                since, seen = self._world.clock(), now.seen
            if now.state == "open" and not self._over(now, step, actions, self._world.clock() - since):
                met = True
                self._journal.require_running()
                self._world.sleep(_POLL_S)
                continue
            if now.state == "failed" and met:
                raise StepFailed(f"{step.id} failed at another operator: {now.why}")
            self._require_known(now, step)
            claim = random_token()[:8]
            more = {"claim": claim, "executor": actions.executor()}
            if self._journal.intend(
                step.id, token=self.context(step).token, at=began, more=more, by=self._world.by,
                may=lambda records, now=now: standing(records, step.id) == now,
            ):  # fmt: skip
                return claim

    def _over(self, now: Standing, step: Step, actions: Actions, silent_for: float) -> bool:
        return actions.gone(now.executor) or silent_for > silent_s(step.timeout_s)

    def _require_known(self, now: Standing, step: Step) -> None:
        """OutcomeUnknown where only a person can say what happened."""
        own = step.own or {}
        if now.state not in ("open", "unknown") or own["checked"] or own["repeatable"]:
            return
        why = now.why or "whoever began it ended in the middle of it"
        if now.state == "open":
            self._journal.write(
                "failure",
                {"step": step.id, "claim": now.claim, "at": self._world.clock(), "why": why, "unknown": True},
            )
        raise self._unknown(step, why)

    def _unknown(self, step: Step, why: str) -> OutcomeUnknown:
        confirm = f"drstack confirm {self._world.environment} {step.id}"
        return OutcomeUnknown(
            f"{step.id}: {why}. Nobody knows whether it happened, and it has no check",
            hint=f"Find out, then: {confirm} --reason '…' if it happened, {confirm} --again --reason '…' if it did not; "
            f"then: drstack resume {self._world.environment}",
        )

    def _tried(self, step: Step, claim: str) -> Said:
        """Look, act only if needed, look again; as often as the step may be tried."""
        actions, context, own = self._actions(step), self.context(step), step.own or {}
        definition, tries = own["definition"], int(own["tries"])
        if own["checked"]:
            looked = actions.check(definition, context)
            if looked.done:
                return Said("done", f"was done already ({looked.detail})")
            if looked.done is None:
                raise self._no_word(step, claim, looked)
        said = Said("failed", "")
        for n in range(1, tries + 1):
            if n > 1:
                self._pause(step, claim, n)
            said = self._looked_after(step, actions.act(definition, context), actions, context)
            if said.word == "done":
                return said
            if said.word == "needs consent":
                raise ConsentRequired(
                    f"{step.id}: {said.detail}",
                    hint=f"drstack resume {self._world.environment} --accept-unfenced {context.step} --reason '…'",
                )
            if said.word == "unknown" and not own["repeatable"]:
                raise self._unknown(step, said.detail) if not own["checked"] else OutcomeUnknown(
                    f"{step.id}: {said.detail}", hint="Its check decides once it answers; then run the same command again."
                )  # fmt: skip
            self._record("try", step, claim, n=n, why=said.detail)
        times = "" if tries == 1 else f" ({tries} tries)"
        raise StepFailed(
            f"{step.id}: {said.detail}{times}",
            hint=f"Mend it, then: drstack resume {self._world.environment}; or leave it out: "
            f"drstack skip {self._world.environment} {step.id} --reason '…'",
        )

    def _looked_after(self, step: Step, said: Said, actions: Actions, context: Context) -> Said:
        """What the step's check says of it, once it was tried: only that it is done counts as done."""
        own = step.own or {}
        if not own["checked"] or said.word not in ("done", "unknown"):
            return said
        ends = self._world.clock() + (min(_CHECK_S, context.timeout_s) if said.word == "done" else 0.0)
        while True:
            looked = actions.check(own["definition"], context)
            if looked.done:
                return Said(
                    "done", said.detail if said.word == "done" else f"{looked.detail}; {said.detail}", said.result
                )
            if self._world.clock() >= ends:
                break
            self._world.sleep(_POLL_S)
        if looked.done is None:
            return Said("unknown", f"{said.detail}; its check could not say whether it is done: {looked.detail}")
        return Said("failed", f"{said.detail}; its check says that it is not done: {looked.detail}")

    def _no_word(self, step: Step, claim: str, looked: Checked) -> StepFailed:
        """Before the first try: where nobody had begun it before, nothing happened."""
        before = [
            record
            for record in self._journal.records()
            if record.kind == "intent" and record.body["step"] == step.id and record.body.get("claim") != claim
        ]
        told = f"{step.id}: its check could not say whether it is done: {looked.detail}"
        hint = f"Mend the check, then: drstack resume {self._world.environment}"
        return OutcomeUnknown(told, hint=hint) if before else StepFailed(told, hint=hint)

    def _pause(self, step: Step, claim: str, n: int) -> None:
        """Between two tries. StepFailed where another operator has taken the step over; as `Journal.require_running`."""
        self._world.sleep(min(_BACKOFF_S, 2.0 ** (n - 2)))
        self._journal.require_running()
        now = standing(self._journal.records(), step.id)
        if now.state != "open" or now.claim != claim:
            raise StepFailed(f"{step.id} was taken over, or settled, by another operator")

    def _await_word(self, step: Step, began: float) -> None:
        """Wait for a person's word. NotConfirmed."""
        what = str((step.own or {})["definition"]["wait"])
        if not any(r.kind == "intent" and r.body["step"] == step.id for r in self._journal.records()):
            self._journal.intend(step.id, token=self.context(step).token, at=began)
        self._world.progress.begin(step.id)
        confirm = f"drstack confirm {self._world.environment} {step.id} --reason '…'"
        self._world.progress.end(step.id, 0.0, f"waits for a person: {what}; then: {confirm}")
        while (settled := self._journal.outcome(step.id)) is None:
            self._journal.require_running()
            if self._world.clock() - began > step.timeout_s:
                raise NotConfirmed(
                    f"{step.id}: nobody confirmed within {step.timeout_s:g} s: {what}",
                    hint=f"Once it is done: {confirm}; then: drstack resume {self._world.environment}",
                )
            self._world.sleep(_POLL_S)
        self._world.progress.end(step.id, self._world.clock() - began, str(settled["detail"]))

    def _settle(self, step: Step, began: float, detail: str, result: Doc) -> None:
        settled = self._journal.settle(
            step.id, {"began_at": began, "ended_at": self._world.clock(), "detail": detail, "result": result}
        )
        self._world.progress.end(step.id, settled["ended_at"] - began, str(settled["detail"]))

    def _record(self, kind: str, step: Step, claim: str, **more: object) -> None:
        self._journal.write(kind, {"step": step.id, "claim": claim, "at": self._world.clock(), **more})

    def _actions(self, step: Step) -> Actions:
        if self._world.actions is None:
            raise StepFailed(f"{step.id}: this command carries out no steps of users' own")
        return self._world.actions

    def context(self, step: Step) -> Context:
        return context_of(self._plan, self._journal, str((step.own or {})["name"]), step.timeout_s)


def context_of(plan: Doc, journal: Journal, name: str, timeout_s: float) -> Context:
    fences = [
        outcome["result"]["fence"] for outcome in journal.outcomes().values() if "fence" in outcome.get("result", {})
    ]
    sources = dict.fromkeys(
        [*plan["fence"], *(each["writer"] for each in plan["workloads"] if each["writer"] != plan["target"])]
    )
    return Context(
        environment=plan["environment"], operation=journal.identity, target=plan["target"], sources=tuple(sources),
        workloads=tuple(each["name"] for each in plan["workloads"]), step=name,
        token=f"{plan['environment']}/{journal.identity}/{name}/{plan['hash'][:8]}", timeout_s=timeout_s,
        kind="switchover" if plan.get("kind") == "switchover" else "promote", alone=bool(plan.get("alone")),
        grades={each["site"]: each["grade"] for each in fences}, consented=consented(plan, journal, name),
    )  # fmt: skip


def unfenced(name: str) -> tuple[str, str]:
    """The consent that a step may promote a store to which another may still write."""
    return "override", f"unfenced {name}"


def consented(plan: Doc, journal: Journal, name: str) -> bool:
    """Whether a person allowed this step to promote a store without proof, in the plan or since."""
    planned = [tuple(each) for each in plan.get("consents", ())]
    since = [(r.body["kind"], r.body["value"]) for r in journal.records() if r.kind == "consent"]
    return unfenced(name) in [*planned, *since]
