"""Receipts: a verifier's word about a commit, apart from the writer's. The last one of a verifier counts.

`receipts/<workload>/<slot>/<level>/<verifier>/<k>` with k dense from 1. A level holds where some verifier's last word
is ok and none's is failed: one that saw damage outweighs one that did not, until somebody who repaired it and read all of
it back takes that very word back, by name. A word counts for the record that it names only: what was said about a slot of
a log that was rolled back since is said about nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from replicator.errors import RecordCorrupt
from replicator.log.notary import UNSIGNED
from replicator.log.slots import SlotLog
from replicator.model import LEVELS, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.log.notary import Notary
    from replicator.log.records import Record
    from replicator.stores.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Word:
    """What counts of all verifiers' last words about a commit at one level; `at` in unix seconds."""

    ok: bool
    reason: str | None
    at: float
    by: str


class Said(NamedTuple):
    """One word: the `k`-th of a verifier at a level about a commit."""

    level: Level
    verifier: str
    k: int


_SAID = TypeAdapter(list[Said])


def _read_said(value: object) -> list[Said]:
    try:
        return _SAID.validate_python(value if value is not None else [])
    except ValidationError as error:
        raise RecordCorrupt(f"a receipt takes back what is no word: {error}") from error


class Receipts:
    """`record_of` gives the digest of the record that (workload, slot) holds now, None if it holds none.

    `admit` raises where nothing may be written about a workload.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        record_of: Callable[[str, int], str | None],
        admit: Callable[[str], None] = lambda _: None,
        notary: Callable[[], Notary] = lambda: UNSIGNED,
    ) -> None:
        self._store = store
        self._clock = clock
        self._token = token
        self._record_of = record_of
        self._admit = admit
        self._notary = notary

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
        takes_back: Sequence[Said] = (),
    ) -> None:
        """Say a word about the commit in `slot`, whose record has digest `record`; nothing if it is the last one said.

        `drill`: what a restore that led to the word took (`seconds`, `bytes`); such a word is always said. `takes_back`:
        failed words that are true no more, since what they found was repaired; only an ok at `decoded` may name any.
        """
        self._admit(workload)
        log = self._log(workload, slot, level, verifier)
        body: dict[str, Any] = {"ok": ok, "reason": reason, "record": record}
        if drill is not None:
            log.append(lambda _: ("receipt", {**body, "drill": dict(drill)}))
            return
        if takes_back:
            body["takes_back"] = [each._asdict() for each in takes_back]

        def decide(records: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]] | None:
            said = bool(records) and records[-1].body == body
            again = said and not ok and Said(level, verifier, records[-1].n) in self._taken_back(workload, slot)
            return ("receipt", body) if again or not said else None

        log.append(decide)

    def levels(self, workload: str, slot: int, demanded: tuple[Level, ...]) -> dict[Level, bool]:
        """Which of the levels hold for the commit in `slot`."""
        return {level: self._holds(workload, slot, level) for level in demanded}

    def damaged(self, workload: str, slot: int) -> bool:
        """Whether some verifier's last word about the commit in `slot` is that it failed."""
        return any(not ok for level in LEVELS for ok, _, _ in self.words(workload, slot, level).values())

    def words(self, workload: str, slot: int, level: Level) -> dict[str, tuple[bool, str | None, float]]:
        """Per verifier its last word about the record in `slot`: ok, reason, and when (unix s)."""
        last = {verifier: records[-1] for verifier, records in self._said(workload, slot, level).items()}
        words = {by: (each.body.get("ok") is True, each.body.get("reason"), each.at) for by, each in last.items()}
        if not all(ok for ok, _, _ in words.values()):
            for gone in self._taken_back(workload, slot):
                if gone.level == level and gone.verifier in last and gone.k == last[gone.verifier].n:
                    words.pop(gone.verifier)
        return words

    def failed(self, workload: str, slot: int) -> list[Said]:
        """The failed words that count: what a repair may take back once it read all of it."""
        return [
            Said(level, verifier, self._said(workload, slot, level)[verifier][-1].n)
            for level in LEVELS
            for verifier, (ok, _, _) in self.words(workload, slot, level).items()
            if not ok
        ]

    def _said(self, workload: str, slot: int, level: Level) -> dict[str, list[Record]]:
        """Per verifier all its words about the record in `slot`."""
        prefix = f"receipts/{workload}/{slot:020d}/{level}"
        verifiers = {key.split("/")[4] for key in self._store.list(prefix) if key.count("/") == 5}  # noqa: PLR2004
        record = self._record_of(workload, slot) if verifiers else None
        said = {each: self._log(workload, slot, level, each).read() for each in sorted(verifiers)}
        of_record = {by: [each for each in words if each.body.get("record") == record] for by, words in said.items()}
        return {by: words for by, words in of_record.items() if words}

    def _taken_back(self, workload: str, slot: int) -> list[Said]:
        return [
            gone
            for words in self._said(workload, slot, "decoded").values()
            for word in words
            if word.body.get("ok") is True
            for gone in _read_said(word.body.get("takes_back"))
            if gone.level != "proved"
        ]

    def drilled_at(self, workload: str, slot: int) -> float | None:
        """When the record in `slot` was last restored whole in a drill (unix s)."""
        words = [word for said in self._said(workload, slot, "decoded").values() for word in said]
        return max((word.at for word in words if word.body.get("drill") and word.body.get("ok") is True), default=None)

    def verdict(self, workload: str, slot: int, level: Level) -> Word | None:
        """The newest failure if some verifier's last word is one, else the newest word; None where nobody said any."""
        words = [Word(ok, why, at, by) for by, (ok, why, at) in self.words(workload, slot, level).items()]
        return max(words, key=lambda word: (not word.ok, word.at), default=None)

    def _holds(self, workload: str, slot: int, level: Level) -> bool:
        words = [ok for ok, _, _ in self.words(workload, slot, level).values()]
        return bool(words) and all(words)

    def _log(self, workload: str, slot: int, level: Level, verifier: str) -> SlotLog:
        prefix = f"receipts/{workload}/{slot:020d}/{level}/{verifier}"
        return SlotLog(self._store, prefix, clock=self._clock, token=self._token, notary=self._notary())
