"""An operation's journal on the witness: its plan, then intent and outcome of every act (DESIGN, rule 12).

Slot 1 holds the plan, so that whoever creates it owns the operation and everybody else joins or refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from drstack.errors import OperationConflict, OperationPaused, WitnessUnsound
from drstack.witness.group import GroupLog
from drstack.witness.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.log.slots import SlotLog


T = TypeVar("T")


class Journal:
    """Records of kind `plan`, `intent`, `failure`, `outcome`, `pause`, `resume` and `end`; of users' own steps also `try`,
    `again`, `consent` and `told`. For any thread.
    """  # noqa: D205

    def __init__(self, identity: str, log: SlotLog, *, url: str) -> None:
        self.identity = identity
        self._log = GroupLog(log)
        self._url = url

    def records(self) -> tuple[Record, ...]:
        """Every record there is now. WitnessUnreachable, WitnessUnsound."""
        return self._guard(self._log.read)

    def begin(self, plan: Mapping[str, Any]) -> bool:
        """Write the plan as slot 1. False if another operator's plan stands there."""
        return self._guard(lambda: self._log.append(lambda records: None if records else ("plan", plan)))

    def plan(self) -> dict[str, Any] | None:
        """The operation's plan; None if it never began."""
        records = self._log.known() or self.records()
        return dict(records[0].body) if records else None

    def write(self, kind: str, body: Mapping[str, Any]) -> None:
        self._guard(lambda: self._log.append(lambda _: (kind, body)))

    def intend(
        self, step: str, *, token: str, at: float, by: str = "", more: Mapping[str, Any] | None = None,
        may: Callable[[tuple[Record, ...]], bool] = lambda _: True,
    ) -> bool:  # fmt: skip
        """Write that a step is about to be done, by whom. False if another operator has done it meanwhile, or `may` says no.

        `more` is kept beside it. OperationConflict, OperationPaused: nothing may be begun any more.
        """

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            if any(record.kind == "outcome" and record.body.get("step") == step for record in records):
                return None
            self._require_running(records)
            body = {"step": step, "token": token, "at": at, **(more or {})} | ({"by": by} if by else {})
            return ("intent", body) if may(records) else None

        return self._guard(lambda: self._log.append(decide))

    def require_running(self) -> None:
        """OperationConflict, OperationPaused: nothing may be begun any more."""
        self._require_running(self.records())

    def _require_running(self, records: tuple[Record, ...]) -> None:
        ended = next((record.body for record in records if record.kind == "end"), None)
        if ended is not None:
            raise OperationConflict(f"operation {self.identity} has ended: {ended['result']} ({ended.get('why', '')})")
        paused = _paused(records)
        if paused is not None:
            raise OperationPaused(
                f"operation {self.identity} was paused by {paused['by']}: {paused['reason']}",
                hint=f"To go on: drstack resume {records[0].body.get('environment', 'ENV')}",
            )

    def pause(self, *, by: str, reason: str) -> None:
        """Have nobody begin another step. OperationConflict where it has ended."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            if _paused(records) is not None:
                return None
            self._require_running(records)
            return "pause", {"by": by, "reason": reason}

        self._guard(lambda: self._log.append(decide))

    def resume(self, *, by: str) -> bool:
        """Let it go on. Returns whether it was paused."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return None if _paused(records) is None else ("resume", {"by": by})

        return self._guard(lambda: self._log.append(decide))

    def paused(self) -> dict[str, Any] | None:
        """Who paused it and why; None where it is not paused."""
        return _paused(self.records())

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """By step, the outcome that stands."""
        return _outcomes(self.records())

    def known(self) -> tuple[Record, ...]:
        """As `records`, what was read or written here so far."""
        return self._log.known()

    def known_outcomes(self) -> dict[str, dict[str, Any]]:
        """As `outcomes`, of what was read or written here so far: another operator may be further."""
        return _outcomes(self._log.known())

    def outcome(self, step: str) -> dict[str, Any] | None:
        """The first recorded outcome of a step: the one that stands, for good."""
        return self.known_outcomes().get(step) or self.outcomes().get(step)

    def settle(self, step: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Record a step's outcome unless one is recorded. Returns the one that stands."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            if any(r.kind == "outcome" and r.body.get("step") == step for r in records):
                return None
            return "outcome", {"step": step, **body}

        self._guard(lambda: self._log.append(decide))
        settled = self.outcome(step)
        if settled is None:
            raise WitnessUnsound(f"operation {self.identity}: the outcome of {step} was written and is not there")
        return settled

    def ended(self) -> dict[str, Any] | None:
        """How the operation ended; None while it runs."""
        return next((dict(record.body) for record in self.records() if record.kind == "end"), None)

    def end(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Record the end once. Returns the one that stands."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return None if any(record.kind == "end" for record in records) else ("end", body)

        self._guard(lambda: self._log.append(decide))
        ended = self.ended()
        if ended is None:
            raise WitnessUnsound(f"operation {self.identity}: its end was written and is not there")
        return ended

    def _guard(self, call: Callable[[], T]) -> T:
        with guarded(self._url):
            return call()


def _outcomes(records: tuple[Record, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.kind == "outcome":
            found.setdefault(str(record.body.get("step")), dict(record.body))
    return found


def _paused(records: tuple[Record, ...]) -> dict[str, Any] | None:
    last = next((record for record in reversed(records) if record.kind in ("pause", "resume", "end")), None)
    return dict(last.body) if last is not None and last.kind == "pause" else None
