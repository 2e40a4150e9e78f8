"""The words of the replicator: how a checkpoint is named, what it is (plaintext) and where it lies (encoding).

*What* and *where* are apart so that a repository may encode the same checkpoint anew, or another repository hold it
in other packs, without changing what was said about its contents (DESIGN, section 6).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


def _absent(value: object) -> bool:
    """Whether a field came after the first records and says nothing: it is then left out of the bytes."""
    return value is None or value == {}


class CommitId(NamedTuple):
    """(term, height): the order of checkpoints. "Newest" is the greatest, never the clock or the step (rule 14)."""

    term: int
    height: int

    def __str__(self) -> str:
        return f"{self.term}.{self.height}"


class Frozen(BaseModel):
    """A value that is read from a store: unknown fields are refused, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, allow_inf_nan=False)


class Id(Frozen):
    term: int = Field(ge=1)
    height: int = Field(ge=1)

    def key(self) -> CommitId:
        return CommitId(self.term, self.height)


class Finding(Frozen):
    """Why admission holds a checkpoint suspect."""

    reason: str
    tensor: str | None
    evidence: str


class Signature(Frozen):
    """One of a key's signatures, as DSSE writes it: `keyid` is the key's name, `#` and the algorithm; base64."""

    keyid: str
    sig: str


class Versions(Frozen):
    """The essentials of what a checkpoint was made with; a field left out is unknown.

    The whole is in `versions.json` beside the checkpoint (replicator.versions.document).
    """

    by: Literal["trainer", "launcher", "watch"]
    """Who saw it: the training process, what started it, or a replicator that watches its folder."""
    commit: str | None = Field(default=None, exclude_if=_absent)
    dirty: bool | None = Field(default=None, exclude_if=_absent)
    data: str | None = Field(default=None, exclude_if=_absent)
    model: str | None = Field(default=None, exclude_if=_absent)
    lock: str | None = Field(default=None, exclude_if=_absent)
    container: str | None = Field(default=None, exclude_if=_absent)
    torch: str | None = Field(default=None, exclude_if=_absent)
    cuda: str | None = Field(default=None, exclude_if=_absent)
    driver: str | None = Field(default=None, exclude_if=_absent)
    gpu: str | None = Field(default=None, exclude_if=_absent)
    gpus: int | None = Field(default=None, ge=0, exclude_if=_absent)
    world: int | None = Field(default=None, ge=1, exclude_if=_absent)
    dtype: str | None = Field(default=None, exclude_if=_absent)


class Participant(Frozen):
    """What one system did at a consistent point: a database, a registry, a volume, a hook."""

    name: str
    kind: str
    ok: bool
    told: str
    """What it did, or why it failed."""
    facts: dict[str, str] = Field(default_factory=dict, exclude_if=_absent)
    """What a restore is checked against: a WAL position, the newest version of a model, a snapshot's handle."""


class Point(Frozen):
    """Whether other systems were brought to the step of the checkpoint, and what became of each.

    Not `made`: the checkpoint stands by itself, and nothing of the others is kept with it.
    """

    made: bool
    reason: str | None = Field(default=None, exclude_if=_absent)
    paused_s: float = Field(ge=0)
    """How long the ranks stood still."""
    participants: tuple[Participant, ...] = ()


class What(Frozen):
    """A checkpoint's contents, whatever holds them. `root`: BLAKE3 over its files (replicator.repository.manifest)."""

    workload: str
    name: str
    """The folder (or file) name that the trainer gave it, and under which a recovery puts it back."""
    term: int = Field(ge=1)
    height: int = Field(ge=1)
    step: int = Field(ge=0)
    attempt: str
    root: str
    size_bytes: int = Field(ge=0)
    files: int = Field(ge=0)
    saved_at: float
    """Unix seconds at which the last file of the checkpoint was written."""
    parent: Id | None = None
    """What the run continued from when it was last started, as far as the writer knows."""
    counter: str | None = Field(default=None, min_length=1, exclude_if=lambda counter: counter is None)
    """Random id of the one process that gave the height out, and gives it to nothing else; None where several may."""
    findings: tuple[Finding, ...] = ()
    beside: str | None = Field(default=None, exclude_if=_absent)
    """Root, as `root`, over what is kept beside the checkpoint and is no file of it; None where nothing is."""
    versions: Versions | None = Field(default=None, exclude_if=_absent)
    point: Point | None = Field(default=None, exclude_if=_absent)

    def id(self) -> CommitId:
        return CommitId(self.term, self.height)

    @property
    def counted_by(self) -> str:
        """What tells this from another checkpoint under the same (term, height): its counter, else its contents."""
        return self.counter or self.root

    @property
    def suspect(self) -> bool:
        return bool(self.findings)


class PackRef(Frozen):
    digest: str
    size_bytes: int = Field(ge=0)


class Where(Frozen):
    """How this repository holds it: its manifest, every pack that the manifest needs, and the base it leans on."""

    manifest: PackRef
    packs: tuple[PackRef, ...]
    base: Id | None = None
    shipped_bytes: int = Field(ge=0)
    keys: tuple[str, ...] = Field(default=(), exclude_if=lambda keys: not keys)
    """Ids of the keys under which manifest and packs are encrypted; none under suite `none`."""


Level = Literal["stored", "decoded", "proved"]
LEVELS: tuple[Level, ...] = ("stored", "decoded", "proved")
