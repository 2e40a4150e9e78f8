"""In which repositories of a site each checkpoint lies: hot, warm or cold, by age and use. A pure decision, with reasons.

A checkpoint goes to the next colder tier when the tier's policy would let go of it there and nobody read it lately; it comes
back to the hottest when it was read often. Invariants: what a tier's repository must keep by itself is never moved out of
it (pins, holds, the newest with its receipts, the newest proved); nothing leaves a tier but for one that has it attested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replicator.errors import ReplicatorError
from replicator.json_text import read_json
from replicator.retention.decide import retain
from replicator.retention.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId


class Tier(BaseModel):
    """`keep`: what stays here by age; None on the coldest: all that its own retention keeps."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    url: str
    storage_class: str | None = Field(default=None, pattern=r"^[A-Z_]+$")
    """Of packs, in S3: STANDARD_IA, GLACIER_IR. None: the bucket's own."""
    keep: Policy | None = None
    read_within_s: float = Field(default=0.0, ge=0.0)
    """What was read less long ago than this stays too."""
    back_after_reads: int | None = Field(default=None, ge=1)
    """What was read so often within `read_within_s` of the hottest tier is copied back there; None: nothing is."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A tier as it is found. `attested`: whether a commit that stands has its receipts here."""

    tier: Tier
    view: LogView
    attested: Callable[[Accepted], bool]


@dataclass(frozen=True, slots=True)
class Move:
    """`copy` to the tier, or `drop` from it once a colder one has it."""

    do: Literal["copy", "drop"]
    commit: CommitId
    source: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Placement:
    """`stays`: per tier and commit why it is not moved on, where it is old enough to be told of."""

    moves: tuple[Move, ...]
    stays: Mapping[tuple[str, CommitId], str]


def place(shelves: Sequence[Shelf], reads: Mapping[CommitId, Sequence[float]], now: float) -> Placement:
    """`shelves` hottest first; `reads`: when each commit was read, in any of them (unix seconds)."""
    moves: list[Move] = []
    stays: dict[tuple[str, CommitId], str] = {}
    for hot, cold in zip(shelves, shelves[1:], strict=False):
        if hot.tier.keep is None:
            continue
        decision = retain(hot.view, hot.tier.keep, now=now, attested=hot.attested)
        for key, why in decision.keep.items():
            stays[hot.tier.name, key] = ", ".join(why)
        for key in sorted(decision.drop):
            read = max(reads.get(key, ()), default=None)
            if read is not None and now - read < hot.tier.read_within_s:
                stays[hot.tier.name, key] = f"read {max(0.0, now - read):.0f} s ago"
                continue
            moves.append(_onward(hot, cold, key, decision.drop[key]))
    return Placement((*_back(shelves, reads, now), *moves), stays)


def _onward(hot: Shelf, cold: Shelf, key: CommitId, why: str) -> Move:
    """The next step of a commit that leaves `hot`: it goes only once `cold` can restore the same contents by itself."""
    there, here = cold.view.accepted.get(key), hot.view.accepted[key]
    if there is not None and there.what == here.what and cold.attested(there):
        return Move("drop", key, hot.tier.name, cold.tier.name, f"{why}; {cold.tier.name} has it, read back")
    return Move("copy", key, hot.tier.name, cold.tier.name, why)


def _back(shelves: Sequence[Shelf], reads: Mapping[CommitId, Sequence[float]], now: float) -> list[Move]:
    hottest = shelves[0]
    wanted = hottest.tier.back_after_reads
    found: list[Move] = []
    for key, times in sorted(reads.items()):
        often = sum(1 for at in times if now - at < hottest.tier.read_within_s)
        if wanted is None or often < wanted or key in hottest.view.accepted:
            continue
        source = next((each for each in shelves[1:] if key in each.view.accepted), None)
        if source is not None:
            why = f"read {often} times within {hottest.tier.read_within_s:g} s"
            found.append(Move("copy", key, source.tier.name, hottest.tier.name, why))
    return found


class Tiers(BaseModel):
    """Hottest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tiers: tuple[Tier, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Tiers:
        names, urls = {tier.name for tier in self.tiers}, {tier.url for tier in self.tiers}
        if min(len(names), len(urls)) < len(self.tiers):
            raise ValueError("two tiers have one name, or one URL")
        open_ended = [tier.name for tier in self.tiers[:-1] if tier.keep is None]
        if open_ended:
            raise ValueError(f"tier {open_ended[0]}: keep says what stays there; only the last may leave it out")
        return self


def read_tiers(path: Path) -> tuple[Tier, ...]:
    """The tiers in a JSON file. ReplicatorError names every field that does not hold."""
    try:
        return read_json(Tiers, path.read_bytes()).tiers
    except OSError as error:
        raise ReplicatorError(f"{path}: {error.strerror}", hint="See docs/operations/tiers.md for the file.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ReplicatorError(f"{path}: {faults}", hint="Mend the fields named: docs/operations/tiers.md.") from error
