"""The record of an environment's drills on its witness: a `begin` before anything is touched, an `end` with the report.

Invariant: at most one drill has begun and not ended, however many operators begin one at a time; its end is recorded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from drstack.errors import OperationConflict, WitnessUnsound
from drstack.witness.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.log.slots import SlotLog

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """One drill. `begun` and `ended` are what was recorded; None where it has not ended."""

    begun: Mapping[str, Any]
    ended: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        return str(self.begun["id"])

    @property
    def kind(self) -> str:
        return str(self.begun["kind"])

    @property
    def site(self) -> str:
        return str(self.begun["site"])

    @property
    def result(self) -> str | None:
        """passed, missed, failed, gave way or killed; None while it runs, or nobody recorded its end."""
        return None if self.ended is None else str(self.ended["result"])

    @property
    def ended_at(self) -> float | None:
        """Unix seconds."""
        return None if self.ended is None else float(self.ended["ended_at"])


class DrillLog:
    """WitnessUnreachable, WitnessUnsound from every method."""

    def __init__(self, log: SlotLog, *, url: str) -> None:
        self._log = log
        self._url = url

    def all(self) -> tuple[DrillRecord, ...]:
        """Every drill, in the order in which they began."""
        return _paired(self._guard(self._log.read))

    def find(self, identity: str) -> DrillRecord | None:
        return next((each for each in self.all() if each.id == identity), None)

    def open(self) -> DrillRecord | None:
        """The drill that began and has no end."""
        return next((each for each in self.all() if each.ended is None), None)

    def begin(self, body: Mapping[str, Any]) -> None:
        """OperationConflict, and nothing is written, where another drill has not ended."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            running = next((each for each in _paired(records) if each.ended is None), None)
            if running is not None:
                raise OperationConflict(
                    f"drill {running.id} by {running.begun.get('by')} on {running.begun.get('host')} has not ended",
                    hint="Wait for its end; if nobody runs it any more: drstack drill ENV --clean-up.",
                )
            return "begin", body

        self._guard(lambda: self._log.append(decide))

    def end(self, identity: str, body: Mapping[str, Any]) -> DrillRecord:
        """Record how it ended, once. Returns what stands."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            known = next((each for each in _paired(records) if each.id == identity), None)
            return None if known is None or known.ended is not None else ("end", {**body, "id": identity})

        self._guard(lambda: self._log.append(decide))
        stands = self.find(identity)
        if stands is None:
            raise WitnessUnsound(f"witness {self._url}: drill {identity} has an end and never began")
        return stands

    def _guard(self, call: Callable[[], T]) -> T:
        with guarded(self._url):
            return call()


def _paired(records: tuple[Record, ...]) -> tuple[DrillRecord, ...]:
    ends = {str(record.body["id"]): record.body for record in reversed(records) if record.kind == "end"}
    return tuple(
        DrillRecord(record.body, ends.get(str(record.body["id"]))) for record in records if record.kind == "begin"
    )
