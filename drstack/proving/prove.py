"""Trying one checkpoint: pin, restore apart, resume, compare, say a word, let go.

A word about the checkpoint is said only where the checkpoint is what differs: a crash counts against it only if it
comes again and the same job begins well without it, other losses only if a second replay gives the same ones again, and
whatever keeps it from being tried says nothing (DESIGN, rule 13). Invariant: the pin and the room are let go of, however
it ends.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.proving.outcome import JUDGED, Outcome
from drstack.proving.proof import bits, compare, unlikeness
from drstack.proving.tolerance import learn, pair_of
from replicator.errors import DataCorrupt, NothingToRestore, NotOpen, ReplicatorError, Sealed
from replicator.repository.pinning import as_it_is_now
from replicator.repository.restore import restore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from drstack.proving.evidence import Evidence
    from drstack.proving.ports import Replay, Room, Standby
    from drstack.proving.tolerance import Observation
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

PIN = "proving"
LONGEST = 1000
"""Characters of a reason: it may hold a job's last words."""


class GaveWay(Exception):
    """Somebody wants what the replay runs on."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One workload at one standby. `deadline_s` bounds each run; `give_way` says why all must end now, if so."""

    repository: Repository
    standby: Standby
    workload: str
    deadline_s: float
    give_way: Callable[[], str | None]
    past: Sequence[Observation] = ()
    clock: Callable[[], float] = time.monotonic

    def prove(self, accepted: Accepted, evidence: Evidence) -> Outcome:
        """Try it, and write a receipt where something can be said of it. StoreError if that cannot be written."""
        began = self.clock()
        log = self.repository.log(self.workload)
        record = log.slot(accepted.slot).digest
        outcome = self._tried(accepted, evidence)
        outcome = replace(outcome, reason=outcome.reason[:LONGEST])
        if outcome.result in JUDGED:
            self.repository.receipts.write(
                self.workload, accepted.slot, "proved", self.standby.site, record=record,
                ok=outcome.result == "proved", reason=outcome.reason,
            )  # fmt: skip
        return replace(outcome, seconds=round(self.clock() - began, 3))

    def _tried(self, accepted: Accepted, evidence: Evidence) -> Outcome:
        outcome = self._about(accepted)
        try:
            with self._pinned(accepted), self.standby.room(self.workload) as room:
                self._restore(as_it_is_now(self.repository, self.workload, accepted), room)
                return self._judge(outcome, room, evidence)
        except GaveWay as wanted:
            return replace(outcome, result="gave way", reason=str(wanted))
        except DataCorrupt as error:
            return replace(outcome, result="failed", reason=f"it cannot be restored whole: {error}")
        except (ReplicatorError, ActuatorFailed, OSError) as error:
            return replace(outcome, reason=f"could not be tried: {error}")

    def _about(self, accepted: Accepted) -> Outcome:
        return Outcome("unknown", "", self.workload, str(accepted.what.id()), accepted.what.step)

    @contextmanager
    def _pinned(self, accepted: Accepted) -> Generator[None]:
        log = self.repository.log(self.workload)
        name, term = f"{PIN}-{self.standby.site}-{self.repository.token()[:12]}", log.view().term
        try:
            log.pin(name, accepted.what.id(), reason=f"{self.standby.site} proves it", term=term)
        except (Sealed, NotOpen, NothingToRestore) as error:
            raise GaveWay(f"it cannot be pinned: {error}") from error
        try:
            yield
        finally:
            release(self.repository, self.workload, [name])

    def _restore(self, accepted: Accepted, room: Room) -> None:
        def tick(_written: int) -> None:
            if (why := self.give_way()) is not None:
                raise GaveWay(why)

        tick(0)
        restore(self.repository, accepted, room.checkpoints / accepted.what.name, progress=tick)

    def _judge(self, outcome: Outcome, room: Room, evidence: Evidence) -> Outcome:
        step = outcome.step or 0
        first = self._replay(room, evidence, step)
        if first.ended == "crashed":
            first = self._replay(room, evidence, step)
        if first.ended == "crashed":
            return self._crashed(outcome, first, evidence)
        if first.ended != "done":
            return replace(outcome, reason=f"could not be tried: the replay {first.ended}: {first.why}")
        if first.resumed_step != step:
            reason = f"the job resumed from {_from(first.resumed_step)} where step {step} lay ready"
            return replace(outcome, result="failed", reason=reason)
        judged = self._compared(outcome, first, evidence)
        return self._confirmed(judged, first, room, evidence) if judged.result == "failed" else judged

    def _compared(self, outcome: Outcome, replay: Replay, evidence: Evidence) -> Outcome:
        unlike = unlikeness(evidence.versions, replay.versions)
        if replay.exact is False and not unlike:
            unlike = ("the trainer itself says that it cannot go on bit for bit here",)
        pair = pair_of(evidence.versions, replay.versions)
        proof = compare(evidence.losses, replay.losses, unlike=unlike, tolerance=learn(self.past, pair))
        result = "failed" if proof.verdict == "differs" else proof.verdict
        return replace(outcome, result=result, pair=pair, greatest=proof.greatest, reason=proof.reason)

    def _confirmed(self, judged: Outcome, first: Replay, room: Room, evidence: Evidence) -> Outcome:
        """Other losses count against the checkpoint only if they come again: else the site computes by chance."""
        again = self._replay(room, evidence, judged.step or 0)
        if again.ended != "done":
            reason = f"losses differ, and a second replay {again.ended}: {again.why}"
            return replace(judged, result="unknown", reason=reason)
        if evidence.versions != first.versions:
            return judged
        other = next((at for at in evidence.losses if bits(first.losses[at]) != bits(again.losses[at])), None)
        if other is None:
            return judged
        reason = (
            f"this site does not compute the same twice: step {other} came out as {first.losses[other]!r}, then as "
            f"{again.losses[other]!r}"
        )
        return replace(judged, result="unknown", reason=reason)

    def _crashed(self, outcome: Outcome, crash: Replay, evidence: Evidence) -> Outcome:
        """The checkpoint is to blame only if the job begins well here without it."""
        with self.standby.room(self.workload) as empty:
            control = empty.run(
                ranks=evidence.world, resume_step=None, steps=1, deadline_s=self.deadline_s, give_way=self.give_way
            )
        if control.ended == "gave way":
            raise GaveWay(control.why)
        if control.ended == "done":
            reason = f"the job cannot resume it, and begins well without it: {crash.why}"
            return replace(outcome, result="failed", reason=reason)
        reason = f"could not be tried: the job does not run at {self.standby.site}, with a checkpoint or without: "
        return replace(outcome, reason=reason + crash.why)

    def _replay(self, room: Room, evidence: Evidence, step: int) -> Replay:
        """GaveWay if the slot was wanted."""
        replay = room.run(
            ranks=evidence.world, resume_step=step, steps=len(evidence.losses), deadline_s=self.deadline_s,
            give_way=self.give_way,
        )  # fmt: skip
        if replay.ended == "gave way":
            raise GaveWay(replay.why)
        return replay


def release(repository: Repository, workload: str, names: Sequence[str]) -> None:
    """Unpin. What stays, because the log is sealed or out of reach, is found by `left_over` at the next turn."""
    for name in names:
        with suppress(ReplicatorError):
            log = repository.log(workload)
            log.unpin(name, term=log.view().term)


def left_over(repository: Repository, workload: str, site: str) -> list[str]:
    """Pins of a prover of this site that was killed. Only for who holds the site's proving lock."""
    return [name for name in repository.log(workload).view().pins if name.startswith(f"{PIN}-{site}-")]


def _from(step: int | None) -> str:
    return "nothing" if step is None else f"step {step}"
