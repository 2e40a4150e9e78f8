"""Receipts: a verifier's word about a commit, apart from the writer's. The last one of a verifier counts.

`receipts/<workload>/<slot>/<level>/<verifier>/<k>` with k dense from 1. A level holds where some verifier's last word
is ok and none's is failed: one that saw damage outweighs one that did not. A word counts for the record that it
names only: what was said about a slot of a log that was rolled back since is said about nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.log.slots import SlotLog
from replicator.model import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.model import Level
    from replicator.stores.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Word:
    """What counts of all verifiers' last words about a commit at one level; `at` in unix seconds."""

    ok: bool
    reason: str | None
    at: float
    by: str


class Receipts:
    """`record_of` gives the digest of the record that (workload, slot) holds now, None if it holds none."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        record_of: Callable[[str, int], str | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._token = token
        self._record_of = record_of

    def write(
        self,
        workload: str,
        slot: int,
        level: Level,
        verifier: str,
        *,
        record: str,
        ok: bool,
        reason: str | None = None,
        drill: Mapping[str, float] | None = None,
    ) -> None:
        """Say a word about the commit in `slot`, whose record has digest `record`; nothing if it is the last one said.

        `drill`: what a restore that led to the word took (`seconds`, `bytes`); such a word is always said.
        """
        log = self._log(workload, slot, level, verifier)
        body: dict[str, Any] = {"ok": ok, "reason": reason, "record": record}
        if drill is not None:
            log.append(lambda _: ("receipt", {**body, "drill": dict(drill)}))
            return

        def decide(records: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return None if records and records[-1].body == body else ("receipt", body)

        log.append(decide)

    def levels(self, workload: str, slot: int, demanded: tuple[Level, ...]) -> dict[Level, bool]:
        """Which of the levels hold for the commit in `slot`."""
        return {level: self._holds(workload, slot, level) for level in demanded}

    def damaged(self, workload: str, slot: int) -> bool:
        """Whether some verifier's last word about the commit in `slot` is that it failed."""
        return any(not ok for level in LEVELS for ok, _, _ in self.words(workload, slot, level).values())

    def words(self, workload: str, slot: int, level: Level) -> dict[str, tuple[bool, str | None, float]]:
        """Per verifier its last word about the record in `slot`: ok, reason, and when (unix s)."""
        prefix = f"receipts/{workload}/{slot:020d}/{level}"
        verifiers = {key.split("/")[4] for key in self._store.list(prefix) if key.count("/") == 5}  # noqa: PLR2004
        record = self._record_of(workload, slot) if verifiers else None
        words: dict[str, tuple[bool, str | None, float]] = {}
        for verifier in sorted(verifiers):
            said = self._log(workload, slot, level, verifier).read()
            records = [each for each in said if each.body.get("record") == record]
            if records:
                last = records[-1]
                words[verifier] = (last.body.get("ok") is True, last.body.get("reason"), last.at)
        return words

    def drilled_at(self, workload: str, slot: int) -> float | None:
        """When the record in `slot` was last restored whole in a drill (unix s)."""
        prefix = f"receipts/{workload}/{slot:020d}/decoded"
        verifiers = {key.split("/")[4] for key in self._store.list(prefix) if key.count("/") == 5}  # noqa: PLR2004
        record = self._record_of(workload, slot) if verifiers else None
        return max(
            (
                each.at
                for verifier in verifiers
                for each in self._log(workload, slot, "decoded", verifier).read()
                if each.body.get("drill") and each.body.get("ok") is True and each.body.get("record") == record
            ),
            default=None,
        )

    def verdict(self, workload: str, slot: int, level: Level) -> Word | None:
        """The newest failure if some verifier's last word is one, else the newest word; None where nobody said any."""
        words = [Word(ok, why, at, by) for by, (ok, why, at) in self.words(workload, slot, level).items()]
        return max(words, key=lambda word: (not word.ok, word.at), default=None)

    def _holds(self, workload: str, slot: int, level: Level) -> bool:
        words = [ok for ok, _, _ in self.words(workload, slot, level).values()]
        return bool(words) and all(words)

    def _log(self, workload: str, slot: int, level: Level, verifier: str) -> SlotLog:
        prefix = f"receipts/{workload}/{slot:020d}/{level}/{verifier}"
        return SlotLog(self._store, prefix, clock=self._clock, token=self._token)
