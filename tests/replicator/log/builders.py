"""Short ways to say entries, and a log on a store, for tests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from replicator.log.entries import Commit, Compact, Drop, Open, Pin, Seal, Unpin
from replicator.log.workload import WorkloadLog
from replicator.model import CommitId, Id, PackRef, What, Where

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore

WORKLOAD = "gpt"
_COUNT = itertools.count(1)


def tokens(name: str = "t") -> Callable[[], str]:
    return lambda: f"{name}-{next(_COUNT)}"


def what(
    term: int,
    height: int,
    *,
    attempt: str = "a",
    root: str = "",
    workload: str = WORKLOAD,
    counter: str | None = None,
) -> What:
    return What(
        workload=workload, name=f"step-{100 * height}", term=term, height=height, step=100 * height, attempt=attempt,
        root=root or f"root-{term}-{height}-{attempt}", size_bytes=10, files=1, saved_at=float(height),
        counter=counter,
    )  # fmt: skip


def where(base: tuple[int, int] | None = None, *, name: str = "m") -> Where:
    leaning = Id(term=base[0], height=base[1]) if base else None
    return Where(manifest=PackRef(digest=name, size_bytes=1), packs=(), base=leaning, shipped_bytes=1)


def commit(term: int, height: int, *, of: int = 0, base: tuple[int, int] | None = None, attempt: str = "a") -> Commit:
    """A commit entry of `term`; `of` is the term of its checkpoint where that is another."""
    return Commit(term=term, what=what(of or term, height, attempt=attempt), where=where(base))


def opened(term: int, writer: str = "east", **heads: int) -> Open:
    """`opened(3, t1=4, t2=7)`: heads of terms 1 and 2."""
    return Open(term=term, writer=writer, heads={name[1:]: height for name, height in heads.items()})


def seal(term: int) -> Seal:
    return Seal(term=term, reason="test")


def pin(term: int, name: str, of: int, height: int) -> Pin:
    return Pin(term=term, name=name, commit=Id(term=of, height=height), reason="test")


def unpin(term: int, name: str) -> Unpin:
    return Unpin(term=term, name=name)


def drop(term: int, *commits: tuple[int, int]) -> Drop:
    return Drop(term=term, commits=tuple(Id(term=t, height=h) for t, h in commits), bytes_after=50.0, reason="test")


def compact(term: int, of: int, height: int, base: tuple[int, int] | None = None, *, name: str = "new") -> Compact:
    return Compact(term=term, commit=Id(term=of, height=height), where=where(base, name=name))


def ids(*pairs: tuple[int, int]) -> set[CommitId]:
    return {CommitId(*pair) for pair in pairs}


def log_on(store: ObjectStore, workload: str = WORKLOAD) -> WorkloadLog:
    return WorkloadLog(store, workload, clock=lambda: 7.0, token=tokens(), sleep=lambda _: None)


def put(log: WorkloadLog, term: int, height: int, *, attempt: str = "a", base: tuple[int, int] | None = None) -> int:
    return log.commit(what(term, height, attempt=attempt), lambda _: where(base), term=term).slot
