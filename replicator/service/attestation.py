"""Receipts for what was committed at one destination, and when they may be believed.

Invariant: a commit is attested only if the log was read *after* its receipts and was not sealed for its term by then.
A promotion seals first and counts receipts after: it therefore sees every receipt that was believed here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.log.replay import Accepted
from replicator.model import CommitId
from replicator.repository.verify import check_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.model import Level
    from replicator.repository.repository import Repository

_KEPT = 32
_FAST_S = 0.2
_SLOW_S = 60.0


@dataclass(slots=True)
class Attestation:
    """Of one workload at one destination. For the thread that ships there.

    `levels` are what it takes. Looks become rarer while nothing comes, unless `urgent`: a save waits.
    """

    repository: Repository
    workload: str
    levels: tuple[Level, ...]
    timer: Callable[[], float]
    verifier: str | None = None
    """Under which name to look itself whether the bytes are there, where nobody else verifies; None: it does not."""
    urgent: bool = False
    newest_at: float | None = None
    """Unix time of the newest receipt seen."""
    attested: set[CommitId] = field(default_factory=set[CommitId])
    _expected: OrderedDict[int, Accepted] = field(default_factory=OrderedDict[int, Accepted])
    _wait_s: float = _FAST_S
    _next: float = 0.0

    def expect(self, accepted: Accepted) -> None:
        if accepted.what.id() in self.attested or accepted.slot in self._expected:
            return
        self._expected[accepted.slot] = accepted
        while len(self._expected) > (_KEPT if self.urgent else 1):
            self._expected.popitem(last=False)
        self._wait_s, self._next = _FAST_S, 0.0

    @property
    def waits(self) -> bool:
        return bool(self._expected)

    def look(self) -> tuple[int, str] | None:
        """Ask for receipts of what is expected, newest first. (term, why) if a seal came before them. StoreError."""
        now = self.timer()
        if not self._expected or now < self._next:
            return None
        self._wait_s = _FAST_S if self.urgent else min(_SLOW_S, self._wait_s * 2)
        self._next = now + self._wait_s
        for slot, accepted in reversed(list(self._expected.items())):
            if not self._received(accepted):
                continue
            self._expected.pop(slot, None)
            term = accepted.what.term
            if self.repository.log(self.workload).view().sealed >= term:
                return term, f"term {term} was sealed before the receipts of {accepted.what.id()} could be believed"
            self.attested = {*sorted(self.attested)[-_KEPT:], accepted.what.id()}
        return None

    def _received(self, accepted: Accepted) -> bool:
        receipts, slot = self.repository.receipts, accepted.slot
        if self.verifier is not None:
            self._verify(accepted, self.verifier)
        words = [receipts.verdict(self.workload, slot, level) for level in self.levels]
        said = [word for word in words if word is not None]
        self.newest_at = max(
            [word.at for word in said] + ([] if self.newest_at is None else [self.newest_at]), default=None
        )
        return len(said) == len(words) and all(word.ok for word in said)

    def _verify(self, accepted: Accepted, verifier: str) -> None:
        """A word of our own that the bytes are there."""
        verdict = check_stored(self.repository, accepted)
        record = self.repository.log(self.workload).slot(accepted.slot).digest
        self.repository.receipts.write(
            self.workload, accepted.slot, verdict.level, verifier, record=record, ok=verdict.ok, reason=verdict.reason
        )
