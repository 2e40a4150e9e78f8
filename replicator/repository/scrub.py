"""Reading a repository back, a little at every run: each pack and manifest against the digest that is its name.

Round robin over all objects that a standing checkpoint needs, in the order of their digests, from where the last run
stopped. It needs no key and decodes nothing. What was found
damaged is remembered until it is read again and found well.
"""

from __future__ import annotations

import secrets
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from replicator.errors import KeyMissing, ReplicatorError
from replicator.log.records import digest
from replicator.model import Frozen
from replicator.repository.heads import state_folder
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.verify import Verdict, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


class Place(Frozen):
    """Where scrubbing is. `after`: the last key that was read in this round. Times are unix seconds."""

    after: str = ""
    round: int = 1
    began_at: float = 0.0
    damaged: dict[str, str] = Field(default_factory=dict)
    read_bytes: int = 0
    """Of this round."""
    ended_at: float | None = None
    """When a round last ended, and all had been read."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """`left`: objects of this round that are still to be read."""

    objects: int
    read_bytes: int
    left: int
    place: Place


def needed(repository: Repository) -> dict[str, tuple[str, list[tuple[str, Accepted]]]]:
    """By key, the digest and who needs it (workload and commit), over all workloads."""
    found: dict[str, tuple[str, list[tuple[str, Accepted]]]] = {}
    for workload in repository.workloads():
        for accepted in repository.log(workload).view().in_order():
            names = [(manifest_key(accepted.where.manifest.digest), accepted.where.manifest.digest)]
            names += [(pack_key(pack.digest), pack.digest) for pack in accepted.where.packs]
            for key, name in names:
                found.setdefault(key, (name, []))[1].append((workload, accepted))
    return found


def needed_bytes(repository: Repository) -> int:
    """Size of all that a round reads, each object once, as commits name it."""
    sizes: dict[str, int] = {}
    for workload in repository.workloads():
        for accepted in repository.log(workload).view().accepted.values():
            for ref in (accepted.where.manifest, *accepted.where.packs):
                sizes[ref.digest] = ref.size_bytes
    return sum(sizes.values())


def fault(repository: Repository, key: str, name: str) -> tuple[str | None, int]:
    """(what is wrong with the object, bytes read); None if it is what its name says. Looked at twice before it is said."""
    why: str | None = None
    size = 0
    for _ in range(2):
        try:
            body = repository.store.get(key)
        except KeyMissing:
            why = f"{key} is missing"
            continue
        size += len(body)
        if digest(body) == name:
            return None, size
        why = f"{key} is not what its name says"
    return why, size


def scrub(
    repository: Repository,
    place: Place,
    verifier: str,
    *,
    budget_bytes: int | None = None,
    budget_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int], None] | None = None,
    yields: Callable[[], bool] = lambda: False,
) -> Scrubbed:
    """Read on from `place` until a budget is used up, `yields` says so or the round ends; at least one object.

    StoreUnavailable.

    Each checkpoint that needs what is damaged gets a failed receipt.
    """
    objects = needed(repository)
    began = clock()
    if not place.after:
        place = place.model_copy(update={"began_at": repository.clock(), "read_bytes": 0})
    keys = sorted(objects)
    queue = keys[bisect_right(keys, place.after) :]
    damaged = {key: why for key, why in place.damaged.items() if key in objects}
    read = count = 0
    after = place.after
    for key in queue:
        spent = (budget_bytes is not None and read >= budget_bytes) or (
            budget_s is not None and clock() - began >= budget_s
        )
        if (spent or yields()) and count:
            break
        name, needers = objects[key]
        why, size = fault(repository, key, name)
        read, count = read + size, count + 1
        if progress is not None:
            progress(size)
        damaged.pop(key, None)
        after = key
        if why is not None and key in needed(repository):  # a compaction, or a drop, may have let go of it meanwhile
            damaged[key] = why
            for workload, accepted in needers:
                say(repository, workload, accepted, verifier, Verdict("stored", ok=False, reason=why))
    left = len(queue) - count
    now = Place(
        after=after if left else "", round=place.round + (not left), began_at=place.began_at, damaged=damaged,
        read_bytes=place.read_bytes + read, ended_at=place.ended_at if left else repository.clock(),
    )  # fmt: skip
    return Scrubbed(count, read, left, now)


def default_place(repository: Repository) -> Path:
    """The file of this machine for the repository, by its id."""
    return state_folder() / "scrub" / f"{repository.format().repository}.json"


def load(path: Path) -> Place:
    """Where the last run stopped; the beginning if there was none."""
    try:
        return Place.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Place()
    except ValidationError as error:
        raise ReplicatorError(f"{path} cannot be read: {error}", hint="Move that file away.") from error


def save(path: Path, place: Place) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    staged.write_text(place.model_dump_json())
    staged.replace(path)
