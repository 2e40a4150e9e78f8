"""Glass that was broken: which operations went on without the approvals asked for, and who signed it off since.

One log, `break-glass/<n>`, so that a look at what is not signed off yet reads no operation's journal. Nothing here is
judged: whether a word counts is `drstack.recovery.approving`'s to say.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from drstack.witness.guard import guarded, object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.records import Record
    from replicator.log.slots import SlotLog

Doc = dict[str, Any]
BROKEN = "broken"
SIGN_OFF = "sign-off"


class Glass:
    """For any thread."""

    def __init__(self, log: SlotLog, *, url: str) -> None:
        self._log = log
        self._url = url
        self._lock = RLock()

    def records(self) -> tuple[Record, ...]:
        """WitnessUnreachable, WitnessUnsound."""
        with guarded(self._url), self._lock:
            return self._log.read()

    def broken(self) -> list[Doc]:
        """Each as it was noted: `operation`, `kind`, `target`, `by`, `reason`, `at`, `plan`."""
        return [dict(each.body) for each in self.records() if each.kind == BROKEN]

    def note(self, body: Mapping[str, Any]) -> bool:
        """Note that an operation broke the glass, once. Whether this call did."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            known = any(each.kind == BROKEN and each.body.get("operation") == body["operation"] for each in records)
            return None if known else (BROKEN, body)

        with guarded(self._url), self._lock:
            return self._log.append(decide) is not None

    def sign_off(self, operation: str, envelope: Mapping[str, Any]) -> None:
        with guarded(self._url), self._lock:
            self._log.append(lambda _: (SIGN_OFF, {"operation": operation, "envelope": dict(envelope)}))

    def signed_off(self, operation: str) -> list[Doc]:
        """Envelopes that say that this operation is signed off."""
        told = [each for each in self.records() if each.kind == SIGN_OFF and each.body.get("operation") == operation]
        return [envelope for each in told if (envelope := object_in(each.body, "envelope")) is not None]
