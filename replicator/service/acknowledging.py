"""Which saves of a workload the acknowledging set has, and telling those who wait. The deciding part is pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.disk import is_full
from replicator.model import CommitId
from replicator.service.acknowledged import Word, Words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from replicator.log.replay import LogView
    from replicator.service.shipping import Shipping
    from replicator.service.spool import Entry, Spool

_log = structlog.get_logger("replicator")


def judge(
    wanted: Collection[str], marks: Mapping[str, str], attested: Collection[str], *, ended: str | None
) -> tuple[str, str | None] | None:
    """(outcome, why) of a save, None while it is open.

    `wanted`: the acknowledging set, `marks`: per destination how shipping ended, `attested`: which of them have receipts;
    `ended`: why its term is over.
    """
    if set(wanted) <= set(attested):
        return "acknowledged", None
    if ended is not None:
        return "sealed", ended
    for name in sorted(wanted):
        mark = marks.get(name, "committed")
        if mark.startswith("refused"):
            return "sealed", mark
        if mark != "committed":
            return "given-up", f"{name}: {mark}"
    return None


@dataclass(slots=True)
class Acknowledging:
    """Of one workload."""

    spool: Spool
    own: str
    trouble: str | None = None
    """Why nothing can be acknowledged as things are."""
    _done: set[str] = field(default_factory=set[str])
    _sets: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    _unsaid: dict[str, Word] = field(default_factory=dict[str, Word])
    """Words for which the disk had no room, of entries that nobody must wait for."""

    def wanted(self, view: LogView, term: int) -> tuple[str, ...]:
        """The set of a term. The writer's own store never acknowledges."""
        opened = view.opened.get(term)
        return () if opened is None else tuple(name for name in opened.acknowledge if name != self.own)

    def look(self, view: LogView, shippers: Sequence[Shipping], ended: str | None) -> None:
        """Tell of every entry that can be told of. `ended`: why the newest term is over for this writer."""
        here = {each.repository.name: each for each in shippers}
        now = self._sets[view.term] = self.wanted(view, view.term)
        gone = sorted(set(now) - set(here))
        self.trouble = f"{', '.join(gone)} must acknowledge, and is no destination" if gone else None
        for name, shipper in here.items():
            if shipper.attestation is not None:
                shipper.attestation.urgent = name in now
        words = Words(self.spool.folder)
        self._say_again(words)
        for entry in self.spool.entries():
            if entry.signature in self._done or words.told(entry.signature) is not None:
                self._done.add(entry.signature)
                continue
            over = ended if entry.push.term >= view.term else f"term {entry.push.term} is over"
            self._tell(words, entry, self.wanted(view, entry.push.term), here, over)

    def _say_again(self, words: Words) -> None:
        for signature, word in list(self._unsaid.items()):
            try:
                words.tell(signature, word)
            except OSError as error:
                if not is_full(error):
                    raise
                return
            del self._unsaid[signature]

    def owed(self, entry: Entry) -> bool:
        """Whether somebody may wait to hear of it."""
        return entry.signature not in self._done

    def waits(self, entry: Entry) -> bool:
        """Whether it is owed because the set is not empty."""
        return self.owed(entry) and bool(self._sets.get(entry.push.term))

    def _tell(
        self, words: Words, entry: Entry, wanted: Sequence[str], here: Mapping[str, Shipping], ended: str | None
    ) -> None:
        push = entry.push
        commit = CommitId(push.term, push.height)
        attested = [
            name
            for name, shipper in here.items()
            if shipper.attestation is not None and commit in shipper.attestation.attested
        ]
        judged = judge(wanted, entry.marks(), attested, ended=ended)
        if judged is None:
            return
        outcome, why = judged
        findings = tuple(finding.reason for finding in push.findings)
        word = Word.model_validate(
            {
                "outcome": outcome, "workload": push.workload, "step": push.step, "commit": str(commit),
                "by": tuple(wanted) if why is None else (), "why": why, "findings": findings,
            }
        )  # fmt: skip
        try:
            words.tell(entry.signature, word)
        except OSError as error:
            if not is_full(error):
                raise
            self.trouble = f"step {push.step} cannot be acknowledged: {error}"
            if wanted:  # the entry stays: a save may wait for the word
                return
            self._unsaid[entry.signature] = word  # the entry can go: what it holds may be what fills the disk
        self._done.add(entry.signature)
        if wanted:
            say, what = (_log.info, "acknowledged") if why is None else (_log.error, "NOT acknowledged")
            say(what, workload=push.workload, step=push.step, by=wanted, why=why)
