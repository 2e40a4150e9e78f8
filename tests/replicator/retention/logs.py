"""Logs for retention's tests, in a few words."""

from __future__ import annotations

from replicator.log.entries import Commit, Open
from replicator.model import Finding, Id, PackRef, What, Where


def opening(term: int = 1, head: tuple[int, int] | None = None, heads: dict[str, int] | None = None) -> Open:
    named = None if head is None else {"term": head[0], "height": head[1]}
    copied = {"term": term, "workload": {"head": named}}
    return Open(term=term, writer="east", heads=heads or {}, assignment=copied)


def commit(
    height: int, at: float = 1.0, *, term: int = 1, suspect: bool = False, packs: tuple[str, ...] = (), base: int = 0
) -> Commit:
    what = What(
        workload="gpt", name=f"step-{height}", term=term, height=height, step=height, attempt="a",
        root=f"r{term}.{height}", size_bytes=1, files=1, saved_at=at,
        findings=(Finding(reason="nan", tensor=None, evidence="x"),) if suspect else (),
    )  # fmt: skip
    where = Where(
        manifest=PackRef(digest=f"m{term}.{height}", size_bytes=1),
        packs=tuple(PackRef(digest=pack, size_bytes=10) for pack in packs), shipped_bytes=1,
        base=Id(term=term, height=base) if base else None,
    )  # fmt: skip
    return Commit(term=term, what=what, where=where)
