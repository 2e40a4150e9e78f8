"""Receipts for what was committed at one destination, and when they may be believed.

Invariant: a commit is attested only if the log was read *after* its receipts and was not sealed for its term by then.
A promotion seals first and counts receipts after: it therefore sees every receipt that was believed here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.errors import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted
    from replicator.model import Level
    from replicator.repository.repository import Repository

_KEPT = 8
_FAST_S = 0.2
_SLOW_S = 60.0


@dataclass(frozen=True, slots=True)
class _Expected:
    accepted: Accepted
    signature: str


@dataclass(slots=True)
class Attestation:
    """Of one workload at one destination. For the thread that ships there.

    `on_attested(signature, commit)` is told once for each; `levels` are what it takes. Looks become rarer while nothing
    comes, unless `urgent`: a save waits.
    """

    repository: Repository
    workload: str
    levels: tuple[Level, ...]
    timer: Callable[[], float]
    on_attested: Callable[[str, Accepted], None] = lambda _signature, _accepted: None
    urgent: bool = False
    newest_at: float | None = None
    """Unix time of the newest receipt seen."""
    _expected: OrderedDict[int, _Expected] = field(default_factory=OrderedDict[int, _Expected])
    _wait_s: float = _FAST_S
    _next: float = 0.0

    def expect(self, accepted: Accepted, signature: str) -> None:
        self._expected[accepted.slot] = _Expected(accepted, signature)
        while len(self._expected) > (_KEPT if self.urgent else 1):
            self._expected.popitem(last=False)
        self._wait_s, self._next = _FAST_S, 0.0

    @property
    def waits(self) -> bool:
        return bool(self._expected)

    def look(self) -> None:
        """Ask for receipts of what is expected, newest first. Sealed, StoreError."""
        now = self.timer()
        if not self._expected or now < self._next:
            return
        self._wait_s = _FAST_S if self.urgent else min(_SLOW_S, self._wait_s * 2)
        self._next = now + self._wait_s
        for slot, each in reversed(list(self._expected.items())):
            if self._attested(each.accepted):
                self._expected.pop(slot, None)
                self.on_attested(each.signature, each.accepted)

    def _attested(self, accepted: Accepted) -> bool:
        receipts, slot = self.repository.receipts, accepted.slot
        words = [receipts.verdict(self.workload, slot, level) for level in self.levels]
        said = [word for word in words if word is not None]
        self.newest_at = max(
            [word.at for word in said] + ([] if self.newest_at is None else [self.newest_at]), default=None
        )
        if len(said) < len(words) or not all(word.ok for word in said):
            return False
        view = self.repository.log(self.workload).view()
        if view.sealed >= accepted.what.term:
            raise Sealed(
                f"term {accepted.what.term} of {self.workload} was sealed before its receipts could be believed"
            )
        return True
