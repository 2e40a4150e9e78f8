"""An operation's journal on the witness: its plan, then intent and outcome of every act (DESIGN, rule 12).

Slot 1 holds the plan, so that whoever creates it owns the operation and everybody else joins or refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from drstack.errors import WitnessUnreachable, WitnessUnsound
from replicator.errors import RecordCorrupt, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.log.slots import SlotLog


T = TypeVar("T")


class Journal:
    """Records of kind `plan`, `intent`, `outcome` and `end`."""

    def __init__(self, identity: str, log: SlotLog, *, url: str) -> None:
        self.identity = identity
        self._log = log
        self._url = url

    def records(self) -> tuple[Record, ...]:
        return self._guard(self._log.read)

    def begin(self, plan: Mapping[str, Any]) -> bool:
        """Write the plan as slot 1. False if another operator's plan stands there."""
        record = self._guard(lambda: self._log.append(lambda records: None if records else ("plan", plan)))
        return record is not None

    def plan(self) -> dict[str, Any] | None:
        """The operation's plan; None if it never began."""
        records = self.records()
        return dict(records[0].body) if records else None

    def write(self, kind: str, body: Mapping[str, Any]) -> None:
        self._guard(lambda: self._log.append(lambda _: (kind, body)))

    def outcome(self, step: str) -> dict[str, Any] | None:
        """The first recorded outcome of a step: the one that stands."""
        for record in self.records():
            if record.kind == "outcome" and record.body.get("step") == step:
                return dict(record.body)
        return None

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
        try:
            return call()
        except RecordCorrupt as error:
            raise WitnessUnsound(str(error), hint="Put the record back: docs/operations/witness.md") from error
        except StoreError as error:
            raise WitnessUnreachable(f"witness {self._url}: {error}") from error
