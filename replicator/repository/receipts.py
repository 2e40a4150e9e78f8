"""Receipts: a verifier's word about a commit, apart from the writer's. The last one of a verifier counts.

`receipts/<workload>/<slot>/<level>/<verifier>/<k>` with k dense from 1. A level holds where some verifier's last word
is ok and none's is failed: one that saw damage outweighs one that did not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.log.slots import SlotLog
from replicator.model import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.model import Level
    from replicator.stores.store import ObjectStore


class Receipts:
    def __init__(self, store: ObjectStore, *, clock: Callable[[], float], token: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._token = token

    def write(
        self, workload: str, slot: int, level: Level, verifier: str, *, record: str, ok: bool, reason: str | None = None
    ) -> None:
        """Say a word about the commit in `slot`, whose record has digest `record`; nothing if it is the last one said."""
        log = self._log(workload, slot, level, verifier)
        body = {"ok": ok, "reason": reason, "record": record}

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
        """Per verifier its last word: ok, reason, and when (unix s)."""
        prefix = f"receipts/{workload}/{slot:020d}/{level}"
        verifiers = {key.split("/")[4] for key in self._store.list(prefix) if key.count("/") == 5}  # noqa: PLR2004
        words: dict[str, tuple[bool, str | None, float]] = {}
        for verifier in sorted(verifiers):
            records = self._log(workload, slot, level, verifier).read()
            if records:
                last = records[-1]
                words[verifier] = (bool(last.body["ok"]), last.body["reason"], last.at)
        return words

    def _holds(self, workload: str, slot: int, level: Level) -> bool:
        words = [ok for ok, _, _ in self.words(workload, slot, level).values()]
        return bool(words) and all(words)

    def _log(self, workload: str, slot: int, level: Level, verifier: str) -> SlotLog:
        prefix = f"receipts/{workload}/{slot:020d}/{level}/{verifier}"
        return SlotLog(self._store, prefix, clock=self._clock, token=self._token)
