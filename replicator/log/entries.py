"""The entries of a repository log and the JSON they are written as (DESIGN, rule 3; docs/format.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from replicator.errors import RecordCorrupt
from replicator.log.counters import Runs
from replicator.log.records import canonical
from replicator.model import Frozen, Id, Signature, What, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.records import Record


Term = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,18}$")]
Height = Annotated[int, Field(ge=0)]


class SealRef(Frozen):
    """The seal of one repository, as an assignment names it."""

    repository: str
    slot: int = Field(ge=1)
    digest: str


class Commit(Frozen):
    kind: Literal["commit"] = "commit"
    term: int = Field(ge=1)
    what: What
    where: Where
    signatures: tuple[Signature, ...] = Field(default=(), exclude_if=lambda signatures: not signatures)
    """Its writer's, over *what* alone: they stay when it is copied into a later term, or its *where* changes."""
    again: int | None = Field(default=None, ge=1, exclude_if=lambda again: again is None)
    """The slot of the drop that took it, where it comes back from another repository, in bytes of its own."""


class Open(Frozen):
    """Makes a term's entries count. Copies the assignment, so that restore and repair work without the witness."""

    kind: Literal["open"] = "open"
    term: int = Field(ge=1)
    writer: str
    acknowledge: tuple[str, ...] = ()
    heads: dict[Term, Height] = Field(default_factory=dict)
    """Per earlier term (decimal), the highest height that stands; commits of those terms above it are void."""
    counters: dict[Term, Runs] = Field(default_factory=dict, exclude_if=lambda counters: not counters)
    """Per earlier term, who counted its heights: commits that another counted are void. A term left out: all stand."""
    assignment: dict[str, Any] | None = None
    """The witness's record that this entry copies; None in a repository without an environment."""


class Seal(Frozen):
    """Voids everything of terms up to `term` in the slots above it."""

    kind: Literal["seal"] = "seal"
    term: int = Field(ge=0)
    reason: str
    operation: str | None = None


class Pin(Frozen):
    """Keeps a commit from being dropped until the `unpin` of the same name."""

    kind: Literal["pin"] = "pin"
    term: int = Field(ge=1)
    name: str
    commit: Id
    reason: str


class Unpin(Frozen):
    kind: Literal["unpin"] = "unpin"
    term: int = Field(ge=1)
    name: str
    reason: str | None = Field(default=None, exclude_if=lambda reason: reason is None)
    """Who let go of it and why, where somebody was asked."""


class Drop(Frozen):
    """Takes commits out of the repository; their bytes go after `bytes_after` (unix seconds) at the earliest."""

    kind: Literal["drop"] = "drop"
    term: int = Field(ge=1)
    commits: tuple[Id, ...]
    bytes_after: float
    reason: str


class Compact(Frozen):
    """A commit's new encoding: `where` replaces the one it had. *What* stays as it was said."""

    kind: Literal["compact"] = "compact"
    term: int = Field(ge=1)
    commit: Id
    where: Where
    bytes_after: float | None = Field(default=None, exclude_if=lambda after: after is None)
    """When the bytes of the encoding that it had may go (unix seconds); None: never by this entry."""
    reason: str | None = Field(default=None, exclude_if=lambda reason: reason is None)


class Upgrade(Frozen):
    """From here on the log is read by programs of level `reader` and written by those of level `writer` only."""

    kind: Literal["upgrade"] = "upgrade"
    term: int = Field(ge=1)
    reader: int = Field(ge=1)
    writer: int = Field(ge=1)
    release: str
    """The first that has both, for people."""
    reason: str


Entry = Commit | Open | Seal | Pin | Unpin | Drop | Compact | Upgrade
_KINDS: dict[str, type[Entry]] = {
    kind.model_fields["kind"].default: kind for kind in (Commit, Open, Seal, Pin, Unpin, Drop, Compact, Upgrade)
}
_NEWER = "Use the newest drstack that writes there, or put the record back from a peer."


def to_record(entry: Entry) -> tuple[str, Mapping[str, Any]]:
    """(kind, body) for `SlotLog.append`."""
    return entry.kind, entry.model_dump(mode="json", exclude={"kind"})


def from_record(record: Record, log: str) -> Entry:
    """The entry in a record. RecordCorrupt if it is none that this version knows: it blocks the log."""
    if "kind" in record.body:
        raise RecordCorrupt(f"{log}/{record.n}: says twice of which kind it is")
    kind = _KINDS.get(record.kind)
    if kind is None:
        raise RecordCorrupt(
            f"{log}/{record.n}: {record.kind} is no kind that is known here; a newer version may have written it",
            hint=_NEWER,
        )
    try:
        entry = kind.model_validate_json(canonical(record.body), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join((record.kind, *map(str, problem["loc"])))
        newer = problem["type"] == "extra_forbidden"
        raise RecordCorrupt(
            f"{log}/{record.n}: {field}: {problem['msg']}" + ("; a newer version may have written it" if newer else ""),
            hint=_NEWER if newer else None,
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordCorrupt(f"{log}/{record.n}: {error}") from error
    if isinstance(entry, Commit) and f"log/{entry.what.workload}" != log:
        raise RecordCorrupt(f"{log}/{record.n}: commits a checkpoint of {entry.what.workload}")
    return entry
