"""Changes that somebody meant: all of a kind in one way, as no fault makes them.

Invariant: what is excused here touches every tensor that it could touch; one that is left out makes it a fault again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from replicator.admission.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from replicator.admission.series import Series

SEVERAL = 2


def converted(series: Sequence[Series]) -> set[tuple[str, str, str]]:
    """(kind, old, new) dtypes: every float tensor of the kind that had the old one has the new one, in its old shape.

    Counters and scales, of one element, are not asked: they stay as they are.
    """
    became: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in series:
        if each.past and each.past[-1].is_float and each.past[-1].size > 1:
            same = each.now.is_float and each.now.size == each.past[-1].size
            became[kind_of(each.now.name), each.past[-1].dtype].append(each.now.dtype if same else "")
    return {
        (kind, old, new[0])
        for (kind, old), new in became.items()
        if len(new) >= SEVERAL and new[0] not in {"", old} and len(set(new)) == 1
    }


def grown(series: Sequence[Series]) -> set[str]:
    """Names of tensors of which one dimension grew, all from one size to one other: a vocabulary got new words."""
    changes: dict[str, tuple[int, int] | None] = {}
    for each in series:
        if (
            each.past
            and each.now.is_float
            and each.now.shape != each.past[-1].shape
            and each.now.size != each.past[-1].size
        ):
            changes[each.now.name] = _growth(each.past[-1].shape, each.now.shape)
    if len(changes) < SEVERAL or len(set(changes.values())) != 1 or None in changes.values():
        return set()
    return set(changes)


def _growth(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, int] | None:
    if len(old) != len(new):
        return None
    moved = [(before, after) for before, after in zip(old, new, strict=True) if before != after]
    return moved[0] if len(moved) == 1 and moved[0][1] > moved[0][0] else None


def switched(missing: Iterable[str], before: Collection[str], now: Collection[str]) -> bool:
    """Whether optimizer items are gone because another optimizer keeps others: whole slots left, and whole ones came."""
    left, had, has = ({_slot(name) for name in names} for names in (missing, before, now))
    return bool(has - had) and not left & has


def _slot(name: str) -> str:
    """What an optimizer calls one of the things that it keeps for each parameter: `exp_avg`, `momentum_buffer`."""
    return name.rsplit(".", 1)[-1].rsplit("/", 1)[-1]
