"""Which checkpoints stay, and every reason why. A pure decision; it takes effect only by winning a slot (DESIGN, rule 6).

Kept by every policy: pins and holds, the newest, the newest with all demanded receipts, the newest that is proved, and
everything while none has its receipts. Invariants: only what this repository can restore by itself counts as a
checkpoint to fall back on; the clock never says which is newest (rule 14), only in which period something was saved.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.log.lineage import lineage, newest_first
from replicator.retention.policy import period

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId
    from replicator.retention.policy import Every, Policy

HOLD = "hold/"
"""What names of pins that are legal holds begin with."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`keep`: with every reason, the strongest first. `drop`: with the reason."""

    keep: Mapping[CommitId, tuple[str, ...]]
    drop: Mapping[CommitId, str]


def _none(_accepted: Accepted) -> bool:
    return False


def _found(accepted: Accepted) -> bool:
    return accepted.what.suspect


def retain(
    view: LogView,
    policy: Policy,
    *,
    now: float,
    attested: Callable[[Accepted], bool],
    proved: Callable[[Accepted], bool] = _none,
    suspect: Callable[[Accepted], bool] = _found,
) -> Decision:
    """Judge every commit that stands, at `now` (unix seconds).

    `attested` says whether one has every receipt that its class demands; `proved` whether one is proved, and is asked only
    while something would go. `suspect` says what counts of one, where people said otherwise than admission. Each is asked
    once for each commit, newest first, and not further than needed.
    """
    order = newest_first(view)

    @functools.cache
    def sound(n: int) -> bool:
        return not suspect(order[n]) and attested(order[n])

    anchor = next((n for n in range(len(order)) if sound(n)), None)
    if anchor is None:
        return Decision({each.what.id(): ("no checkpoint has its receipts yet",) for each in order}, {})
    found = [*_held(view, order), (anchor, "the newest with its receipts"), *_by_number(view, order, policy)]
    for every, count in policy.periods():
        found += _by_period(view, order, every, count, now, sound)
    found += [
        (n, f"younger than {policy.min_age_s:g} s")
        for n, each in enumerate(order)
        if max(0.0, now - each.what.saved_at) < policy.min_age_s
    ]
    if len({n for n, _ in found}) < len(order):
        best = next((n for n, each in enumerate(order) if not suspect(each) and proved(each)), None)
        found += [] if best is None else [(best, "the newest that is proved")]
    keep: dict[CommitId, tuple[str, ...]] = {}
    for n, why in found:
        keep[order[n].what.id()] = (*keep.get(order[n].what.id(), ()), why)
    beyond = f"beyond {policy.in_words()}"
    return Decision(keep, {each.what.id(): beyond for each in order if each.what.id() not in keep})


def _held(view: LogView, order: Sequence[Accepted]) -> list[tuple[int, str]]:
    """Pinned, legal holds first. A pin of what does not stand (any more) keeps nothing."""
    place = {each.what.id(): n for n, each in enumerate(order)}
    pins = sorted(view.pins.items(), key=lambda pin: (not pin[0].startswith(HOLD), pin[0]))
    return [
        (place[commit], f"held as {name.removeprefix(HOLD)}" if name.startswith(HOLD) else f"pinned as {name}")
        for name, commit in pins
        if commit in place
    ]


def _by_number(view: LogView, order: Sequence[Accepted], policy: Policy) -> list[tuple[int, str]]:
    """The newest N behind the run, and of a branch that was left those among the newest N of all."""
    count, behind = policy.last or 1, lineage(view)
    newest = {each.what.id() for each in list(reversed(view.in_order()))[:count]}
    found: list[tuple[int, str]] = []
    for n, each in enumerate(order):
        left = behind.left(each.what.id())
        if (n < count and not left) or each.what.id() in newest:
            found.append((n, f"among the newest {count}" if count > 1 else "the newest"))
    return found


def _by_period(
    view: LogView, order: Sequence[Accepted], every: Every, count: int, now: float, sound: Callable[[int], bool]
) -> list[tuple[int, str]]:
    """The newest of each of the last `count` periods that have one: a sound one if there is any, behind the run.

    What a clock put into the future was saved now.
    """
    behind = lineage(view)
    members: dict[str, list[int]] = {}
    for n, each in enumerate(order):
        if not behind.left(each.what.id()):
            members.setdefault(period(every, min(each.what.saved_at, now)), []).append(n)
    return [
        (next((n for n in members[when] if sound(n)), members[when][0]), f"{every}: {when}")
        for when in sorted(members, reverse=True)[:count]
    ]
