"""What to test next: a score for each checkpoint, a pure function of facts.

Score = exposure times worth. Exposure grows with the bytes, with the days since somebody last read them all back (since they
were saved, if nobody did), and with the storage's kind. Worth grows with what would be lost: the newest sound checkpoint,
and each later one that leans on its packs. The numbers order a list; they are no probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

_DAY_S = 86_400.0
_GIB = float(1 << 30)
_BUCKET = 0.3
"""A bucket's vendor checks and repairs what it stores; a folder's file system may not."""
_NEWEST = 4.0
_DRILL_COUNTS = 0.5
"""Days without a drill count half of days without a check: a drill also shows that the way back works."""
_NEVER = 2.0
"""Nobody ever read it back."""
_FAILED = 10.0
"""A verifier's last word about it is that it failed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Ages in seconds; None: never. `storage` is the scheme of the repository's URL."""

    commit: str
    step: int
    slot: int
    age_s: float
    size_bytes: int
    checked_s: float | None
    drilled_s: float | None
    failed: bool
    storage: str
    leaned_on: int
    """How many later checkpoints need packs that this one brought or uses."""
    newest: bool


@dataclass(frozen=True, slots=True)
class Risk:
    facts: Facts
    score: float
    why: tuple[str, ...]


def risk(facts: Facts) -> Risk:
    """The score, with what it is made of in words."""
    unchecked_s = facts.age_s if facts.checked_s is None else min(facts.checked_s, facts.age_s)
    undrilled_s = facts.age_s if facts.drilled_s is None else min(facts.drilled_s, facts.age_s)
    days = 1 / 24 + unchecked_s / _DAY_S + _DRILL_COUNTS * undrilled_s / _DAY_S
    exposure = days * (0.1 + facts.size_bytes / _GIB) * (1.0 if facts.storage == "file" else _BUCKET)
    exposure *= _NEVER if facts.checked_s is None else 1.0
    worth = (1.0 + facts.leaned_on) * (_NEWEST if facts.newest else 1.0) * (_FAILED if facts.failed else 1.0)
    said = [
        "never read back" if facts.checked_s is None else f"read back {facts.checked_s / _DAY_S:.1f} days ago",
        "never drilled" if facts.drilled_s is None else f"drilled {facts.drilled_s / _DAY_S:.1f} days ago",
        f"{facts.size_bytes:,} bytes",
    ]
    said += ["the newest"] if facts.newest else []
    said += [f"{facts.leaned_on} later ones lean on it"] if facts.leaned_on else []
    said += ["a verifier found it damaged"] if facts.failed else []
    return Risk(facts, exposure * worth, tuple(said))


def ranked(facts: list[Facts]) -> list[Risk]:
    """Highest score first; of equal ones the newer."""
    return sorted(map(risk, facts), key=lambda each: (-each.score, -each.facts.slot))


def facts_of(repository: Repository, workload: str) -> list[Facts]:
    """What is known of each checkpoint that stands, from its log and receipts."""
    now = repository.clock()
    in_order = repository.log(workload).view().in_order()
    newest = next((each.slot for each in reversed(in_order) if not is_suspect(repository, workload, each)), 0)
    return [_facts(repository, workload, now, each, in_order[n + 1 :], newest) for n, each in enumerate(in_order)]


def _facts(
    repository: Repository, workload: str, now: float, accepted: Accepted, later: list[Accepted], newest: int
) -> Facts:
    what = accepted.what
    receipts = repository.receipts
    checked = [at for ok, _, at in receipts.words(workload, accepted.slot, "decoded").values() if ok]
    drilled = receipts.drilled_at(workload, accepted.slot)
    packs = {pack.digest for pack in accepted.where.packs}
    return Facts(
        commit=str(what.id()), step=what.step, slot=accepted.slot, age_s=max(0.0, now - what.saved_at),
        size_bytes=what.size_bytes, checked_s=max(0.0, now - max(checked)) if checked else None,
        drilled_s=None if drilled is None else max(0.0, now - drilled),
        failed=receipts.damaged(workload, accepted.slot), storage=urlsplit(repository.store.url).scheme,
        leaned_on=sum(any(pack.digest in packs for pack in each.where.packs) for each in later),
        newest=accepted.slot == newest,
    )  # fmt: skip
