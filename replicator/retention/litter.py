"""Objects that nobody can need any more: of pushes that never committed, and of commits that are void. Pure.

Who writes may be slow without bound, so that no age alone makes an object litter. What does is a term: a writer of an
earlier one can commit nothing once a later one is open, and a push of the open one makes packs of its own, after it. So
what is older than the newest `open`, and that no entry which counts names, can be named by none that is to come.
Invariants: ages are compared by the store's own clock only; every workload's log is read, and one that cannot be keeps
everything; what a pin names stays, also where it became void.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.log.entries import Commit, Compact
from replicator.log.replay import replay
from replicator.log.slots import slot_key
from replicator.repository.packs import manifest_key, pack_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.log.entries import Entry
    from replicator.stores.aged import Aged

MARGIN_S = 600.0
"""How far apart the clocks of one store's machines may be."""
LITTERED = ("packs", "manifests", "parts")
_OF_A_PART = 6


@dataclass(frozen=True, slots=True)
class Litter:
    """Keys and their sizes; `since`: when the term was opened that made it litter, by the store's clock."""

    keys: Mapping[str, int]
    since: float | None = None

    @property
    def size_bytes(self) -> int:
        return sum(self.keys.values())


def litter(
    objects: Iterable[Aged], logs: Mapping[str, Sequence[Entry]], *, grace_s: float, margin_s: float = MARGIN_S
) -> Litter:
    """What may go. `objects`: all of the repository's, with its logs; `logs`: every workload's entries.

    `grace_s`: longer than the longest restore, which may read what an `open` made void.
    """
    there = list(objects)
    made = {each.key: each.modified_at for each in there}
    opened = [made.get(_opening(name, entries)) for name, entries in logs.items()]
    known = [at for at in opened if at is not None]
    if not known or len(known) < len(opened):
        return Litter({})
    since = min(known)
    if max(made.values()) - since < grace_s + margin_s:
        return Litter({}, since)
    terms = {name: replay(entries).term for name, entries in logs.items()}
    needed = _needed(logs)
    return Litter(
        {
            each.key: each.size_bytes
            for each in there
            if each.modified_at < since - margin_s and each.key not in needed and _is_past(each.key, terms)
        },
        since,
    )


def _opening(workload: str, entries: Sequence[Entry]) -> str:
    """Key of the slot whose `open` counts now; of no slot where none does."""
    view = replay(entries)
    opened = view.opened.get(view.term)
    n = next((n for n, entry in enumerate(entries, 1) if entry is opened), 0)
    return slot_key(f"log/{workload}", n)


def _needed(logs: Mapping[str, Sequence[Entry]]) -> set[str]:
    """Keys that an entry names which counts, or ever counted and was not made void; and those of what is pinned.

    What was dropped is among them: its bytes go as the drop says, not as litter.
    """
    needed: set[str] = set()
    for entries in logs.values():
        view = replay(entries)
        void, pinned = {each.slot for each in view.void}, set(view.pins.values())
        for n, entry in enumerate(entries, 1):
            if not isinstance(entry, Commit | Compact):
                continue
            commit = entry.what.id() if isinstance(entry, Commit) else entry.commit.key()
            stood = isinstance(entry, Commit) or commit in view.accepted or commit in view.dropped
            if (n not in void and stood) or commit in pinned:
                needed.add(manifest_key(entry.where.manifest.digest))
                needed.update(pack_key(pack.digest) for pack in entry.where.packs)
    return needed


def _is_past(key: str, terms: Mapping[str, int]) -> bool:
    """Packs and manifests are of any term; a part names its own, which must be over."""
    kind, _, rest = key.partition("/")
    if kind != "parts":
        return kind in LITTERED
    fields = rest.split("/")
    if len(fields) != _OF_A_PART - 1 or not fields[1].isdigit():
        return False
    return int(fields[1]) < terms.get(fields[0], 0)
