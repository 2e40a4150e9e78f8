"""Which packs are written anew, and which checkpoints are made self-contained. A pure decision, with every reason.

A pack is worth it where little of it is still needed: what is needed moves, the rest is freed. A checkpoint is, where it
was asked for, or where its blocks lie scattered over many more packs than they fill (a synthetic full). Invariants: what is
pinned, and the newest few, which pushes lean on, are never touched; nothing is planned that costs more bytes than it frees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from replicator.log.entries import Compact
from replicator.log.naming import names
from replicator.model import Id
from replicator.repository.packs import PACK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId, Where


HEAD_BYTES = 512
"""More than any pack begins with: what every pack costs beside its blocks."""


class CompactionPolicy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    min_live: float = Field(default=0.5, gt=0.0, le=1.0)
    """A pack less of which is needed than this share of its bytes is written anew."""
    max_spread: float | None = Field(default=None, gt=1.0)
    """A checkpoint in more than so many times the packs that it fills becomes self-contained; None: none does."""
    spare: int = Field(default=2, ge=1)
    """The newest so many are left alone: pushes lean on them."""
    read_bytes: int | None = Field(default=None, ge=1)
    """The most that one run reads; None: all that is worth it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one checkpoint needs of packs: per pack digest the stored size of the block at each offset."""

    blocks: Mapping[str, Mapping[int, int]]
    sizes: Mapping[str, int]
    """Of each pack, in bytes."""

    @property
    def size_bytes(self) -> int:
        return sum(size for placed in self.blocks.values() for size in placed.values())


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A checkpoint's new encoding. `packs`: those of its packs that it leaves. `full`: all its blocks, for itself."""

    commit: CommitId
    packs: tuple[str, ...]
    full: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`written_bytes` and `read_bytes` are of blocks and manifests; `freed_bytes` goes after the grace."""

    term: int
    rewrites: tuple[Rewrite, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict[str, str])
    """Packs that are written anew, each with the reason."""
    passed_over: Mapping[str, str] = field(default_factory=dict[str, str])
    """What would be worth it and is left: packs by digest, checkpoints by TERM.HEIGHT, with the reason."""
    read_bytes: int = 0
    written_bytes: int = 0
    freed_bytes: int = 0


def plan_compaction(
    view: LogView, usage: Mapping[CommitId, Usage], policy: CompactionPolicy, *, full: Iterable[CommitId] = ()
) -> Plan:
    """`usage` of every checkpoint that stands and can be read; `full`: those that shall become self-contained."""
    untouched = _untouched(view, usage, policy)
    passed_over: dict[str, str] = {}
    fulls = _fulls(view, usage, policy, set(full), untouched, passed_over)
    leaving = {rewrite.commit for rewrite in fulls}
    needers = _needers(view)
    live = _live({key: each for key, each in usage.items() if key not in leaving})
    budget = math.inf if policy.read_bytes is None else policy.read_bytes
    budget -= sum(usage[rewrite.commit].size_bytes for rewrite in fulls)
    sizes = {pack: size for each in usage.values() for pack, size in each.sizes.items()}
    packs: dict[str, str] = {}
    for pack in sorted(live, key=lambda name: (live[name] / sizes[name], name)):
        share = (live[pack] + HEAD_BYTES) / sizes[pack]
        if share >= policy.min_live:
            break
        kept_by = next((untouched[key] for key in sorted(needers[pack]) if key in untouched), None)
        if kept_by is not None:
            passed_over[pack] = f"{share:.0%} of it is needed, but {kept_by}"
        elif live[pack] > budget:
            passed_over[pack] = f"{share:.0%} of it is needed; another run will do it, this one reads enough"
        else:
            packs[pack] = f"{share:.0%} of its {sizes[pack]:,} bytes is needed"
            budget -= live[pack]
    partly = _partly(view, packs, leaving)
    gain = sum(sizes[pack] - live[pack] - HEAD_BYTES for pack in packs)
    manifests = sum(view.accepted[rewrite.commit].where.manifest.size_bytes for rewrite in partly)
    if gain <= manifests:
        for pack in packs:
            passed_over[pack] = f"it would free less than the {len(partly)} new manifests take"
        packs, partly, gain, manifests = {}, [], 0, 0
    moved = sum(live[pack] for pack in packs)
    own = sum(usage[rewrite.commit].size_bytes for rewrite in fulls)
    manifests += sum(view.accepted[rewrite.commit].where.manifest.size_bytes for rewrite in fulls)
    alone = _alone(view, leaving, sizes)
    return Plan(
        term=view.term, rewrites=(*fulls, *partly), packs=packs, passed_over=passed_over,
        read_bytes=moved + own + 2 * manifests, written_bytes=moved + own + manifests,
        freed_bytes=sum(sizes[pack] for pack in {*packs, *alone}) + manifests,
    )  # fmt: skip


def _untouched(view: LogView, usage: Mapping[CommitId, Usage], policy: CompactionPolicy) -> dict[CommitId, str]:
    """What must keep its encoding, and why."""
    found: dict[CommitId, str] = {}
    for key in sorted(view.accepted)[-policy.spare :]:
        found[key] = f"{key} is among the newest {policy.spare}, which pushes lean on"
    for name, key in sorted(view.pins.items()):
        found[key] = f"{key} is pinned as {name}"
    for key in view.accepted:
        if key not in usage:
            found[key] = f"the manifest of {key} cannot be read"
    return found


def _fulls(
    view: LogView,
    usage: Mapping[CommitId, Usage],
    policy: CompactionPolicy,
    asked: set[CommitId],
    untouched: Mapping[CommitId, str],
    passed_over: dict[str, str],
) -> list[Rewrite]:
    found: list[Rewrite] = []
    for key in sorted(view.accepted):
        if key not in usage:
            continue
        fills = max(1, math.ceil(usage[key].size_bytes / PACK_BYTES))
        lies = len(usage[key].sizes)
        scattered = policy.max_spread is not None and lies > policy.max_spread * fills
        leans = view.accepted[key].where.base is not None
        if not (scattered or (key in asked and leans)):
            if key in asked:
                passed_over[str(key)] = "it is self-contained already"
            continue
        why = "asked for" if key in asked else f"its blocks lie in {lies} packs and fill {fills}"
        if key in untouched:
            passed_over[str(key)] = f"{why}, but {untouched[key]}"
        else:
            found.append(Rewrite(key, tuple(sorted(usage[key].sizes)), full=True, reason=f"synthetic full: {why}"))
    return found


def _needers(view: LogView) -> dict[str, set[CommitId]]:
    found: dict[str, set[CommitId]] = {}
    for key, accepted in view.accepted.items():
        for pack in accepted.where.packs:
            found.setdefault(pack.digest, set()).add(key)
    return found


def _live(usage: Mapping[CommitId, Usage]) -> dict[str, int]:
    """Per pack, how many of its bytes are needed by any."""
    placed: dict[str, dict[int, int]] = {}
    for each in usage.values():
        for pack, blocks in each.blocks.items():
            placed.setdefault(pack, {}).update(blocks)
    return {pack: sum(blocks.values()) for pack, blocks in placed.items()}


def _partly(view: LogView, packs: Mapping[str, str], leaving: set[CommitId]) -> list[Rewrite]:
    found: list[Rewrite] = []
    for key in sorted(view.accepted):
        mine = tuple(sorted({pack.digest for pack in view.accepted[key].where.packs} & packs.keys()))
        if mine and key not in leaving:
            found.append(Rewrite(key, mine, full=False, reason=f"{len(mine)} of its packs are written anew"))
    return found


def _alone(view: LogView, leaving: set[CommitId], sizes: Mapping[str, int]) -> set[str]:
    """Packs that only those need that leave them all."""
    kept = {pack.digest for key in view.accepted.keys() - leaving for pack in view.accepted[key].where.packs}
    return {pack.digest for key in leaving for pack in view.accepted[key].where.packs} & sizes.keys() - kept


def compact_entry(
    view: LogView, planned: Accepted, where: Where, *, term: int, bytes_after: float, reason: str
) -> Compact | str:
    """The entry by which `where` takes effect on the log so far, or why it must not any more.

    `planned` is what it was made from, `term` the one in which its packs were made: what was made in an earlier one may
    have been removed as litter.
    """
    key = planned.what.id()
    if (over := over_since(view, term)) is not None:
        return over
    there = view.accepted.get(key)
    if there is None:
        return "it was dropped meanwhile"
    if there.where != planned.where:
        return "another compaction was faster"
    pin = next((name for name, commit in view.pins.items() if commit == key), None)
    if pin is not None:
        return f"it was pinned meanwhile as {pin}"
    if lost := view.let_go & names(where):
        return f"{min(lost)}, which it would need, was let go of meanwhile"
    if where.base is not None and where.base.key() not in view.accepted:
        where = where.model_copy(update={"base": None})
    return Compact(
        term=term, commit=Id(term=key.term, height=key.height), where=where, bytes_after=bytes_after, reason=reason
    )


def over_since(view: LogView, term: int) -> str | None:
    """Why nothing of `term` takes effect any more; None if it may."""
    return None if view.writable and view.term == term else f"term {term} is over"
