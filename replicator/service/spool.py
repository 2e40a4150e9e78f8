"""The spool: checkpoints pinned by hard links until every destination has them. It survives a SIGKILL.

An entry appears whole, by a rename, with everything that a push needs to be the same push after a restart: attempt,
salt, height, files and their root. A destination that has it, or will never take it, leaves a mark; with all marks
the entry goes. One lock covers listing with marks, numbering, refusing and letting go.

Each time that a spool is taken up it counts heights under a new counter: should its memory be lost or be an older copy,
what it gives out anew is not taken for what was given out before.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from replicator.disk import is_full
from replicator.errors import ReplicatorError, SourceChanged
from replicator.formats.tree import empty_folders, kept_link
from replicator.model import CommitId, Finding, Point, Versions
from replicator.repository.beside import FOLDER as _BESIDE
from replicator.repository.beside import take_beside, write_beside
from replicator.repository.names import to_disk
from replicator.repository.ship import Push
from replicator.repository.snapshot import Snapshot, take_snapshot
from replicator.service.durable import link_or_copy, sync, sync_tree, touch_durably, write_durably

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

COMMITTED = "committed"
_PUSH = "push.json"
_FILES = "files"
_REMEMBERED = 4096
_FORGET = "Move that file away; heights are then taken from the destinations, all of which must answer."


class _Memory(TypedDict, total=False):
    """What a spool remembers beyond its entries, as `memory.json` holds it; terms are keys in decimal."""

    born: int
    heights: dict[str, int]
    newest: dict[str, tuple[int, float]]
    signatures: list[str]
    reserved: dict[str, tuple[int, int]]


_MEMORY = TypeAdapter(_Memory)


@dataclass(frozen=True, slots=True)
class Entry:
    """A pinned checkpoint of the files `names`. `signature` tells it from another one saved under the same name."""

    folder: Path
    push: Push
    signature: str
    names: tuple[str, ...]
    root: str

    @property
    def files(self) -> Path:
        return self.folder / _FILES

    @property
    def on_disk(self) -> tuple[str, ...]:
        """The names as the file system has them."""
        return tuple(to_disk(name) for name in self.names)

    def marks(self) -> dict[str, str]:
        """Per destination how it ended: `committed` or the reason why it never will be."""
        return {path.name.removeprefix("mark-"): path.read_text() or COMMITTED for path in self.folder.glob("mark-*")}

    def mark(self, destination: str, outcome: str) -> None:
        """Nothing if the entry went meanwhile. An empty mark says `committed`: a full disk has room for that."""
        mark = self.folder / f"mark-{destination}"
        with contextlib.suppress(FileNotFoundError):
            try:
                write_durably(mark, outcome.encode())
            except OSError as error:
                if outcome != COMMITTED or not is_full(error):
                    raise
                touch_durably(mark)


class Spool:
    """The entries of one workload, below `folder`. `trouble`: which entry could not be read at the last listing.

    `counter` is this object's, and no other's: see `What.counter`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = self._root = folder
        self.counter = secrets.token_hex(8)
        self._given: dict[int, int] = {}
        self.lock = threading.RLock()
        self.trouble: str | None = None
        self._snapshots: dict[Path, Snapshot] = {}
        self._reading = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".making-*"):
            shutil.rmtree(leftover)

    def entries(self) -> list[Entry]:
        """Entries that can be read, newest first. One that cannot is left alone and becomes `trouble`."""
        with self.lock:
            found, self.trouble = read_entries(self._root)
        return found

    def pending(self, destination: str) -> list[Entry]:
        """Entries without a mark of `destination`, newest first."""
        with self.lock:
            return [each for each in self.entries() if each.folder.is_dir() and destination not in each.marks()]

    def refuse(self, term: int, destinations: Iterable[str], why: str) -> None:
        """Mark every entry of terms up to `term` as refused, wherever it has no mark yet."""
        names = tuple(destinations)
        with self.lock:
            for entry in self.entries():
                for name in names if entry.push.term <= term else ():
                    if name not in entry.marks():
                        entry.mark(name, f"refused: {why}")

    def pin(self, source: Path, files: Sequence[str], *, copy: bool = False, folders: Sequence[str] = ()) -> Path:
        """Link the checkpoint's files into a folder that no entry owns yet, and make it durable.

        Copies where links cannot be made, and with `copy`: for files that their trainer saves into again.
        """
        making = self.link(source, files, copy=copy, folders=folders)
        try:
            self.settle(making)
        except OSError:
            self.discard(making)
            raise
        return making

    def link(self, source: Path, files: Sequence[str], *, copy: bool = False, folders: Sequence[str] = ()) -> Path:
        """The links alone, which takes moments; as `pin`, but not durable yet. `settle` it before it is admitted."""
        making = self._root / f".making-{secrets.token_hex(8)}"
        known = frozenset((*files, *folders))
        try:
            for name in folders:
                (making / _FILES / name).mkdir(parents=True)
            for name in files:
                target = making / _FILES / name
                target.parent.mkdir(parents=True, exist_ok=True)
                each = source / name if source.is_dir() else source
                goal = kept_link(source, name, known) if source.is_dir() else None
                if goal is not None:
                    target.symlink_to(goal)
                elif copy:
                    shutil.copy2(each, target)
                else:
                    link_or_copy(each.resolve(strict=True), target)
            for name in folders:
                shutil.copystat(source / name, making / _FILES / name)
        except OSError:
            self.discard(making)
            raise
        return making

    def settle(self, making: Path) -> None:
        """Make a linked folder survive a power cut, which waits for the disk."""
        sync_tree(making)

    def keep_beside(self, making: Path, snapshot: Snapshot, files: Mapping[str, bytes]) -> Snapshot:
        """Put small files beside the pinned checkpoint, durably; the snapshot then has all that lies beside it."""
        write_beside(making, files)
        beside = take_beside(making)
        if beside is not None:
            self.settle(making / _BESIDE)
        return replace(snapshot, beside=beside)

    def admit(self, making: Path, push: Push, signature: str, snapshot: Snapshot) -> Entry:
        """Make the pinned folder, which `snapshot` was taken of, an entry."""
        names = (*(file.path for file in snapshot.entries), *(link.path for link in snapshot.links))
        whole = snapshot.digest
        body = {
            "workload": push.workload, "name": push.name, "term": push.term, "height": push.height, "step": push.step,
            "attempt": push.attempt, "salt": push.salt.hex(), "saved_at": push.saved_at, "parent": push.parent,
            "findings": [finding.model_dump() for finding in push.findings], "signature": signature,
            "files": names, "root": whole, "counter": push.counter,
            "versions": push.versions.model_dump(mode="json") if push.versions else None,
            "point": push.point.model_dump(mode="json") if push.point else None,
        }  # fmt: skip
        write_durably(making / _PUSH, json.dumps(body).encode())
        folder = self._root / f"{push.term}.{push.height}-{push.attempt[:8]}"
        with self.lock:
            self._given[push.term] = max(push.height, self._given.get(push.term, 0))
            making.rename(folder)
            sync(self._root)
            self._remember(push, signature)
            entry = Entry(folder, push, signature, names, whole)
            beside = replace(snapshot.beside, root=folder / _BESIDE) if snapshot.beside else None
            self._snapshots[folder] = replace(snapshot, root=entry.files, beside=beside)
        return entry

    def renumber(self, entry: Entry, above: int, token: Callable[[], str]) -> Entry | None:
        """The same checkpoint as a new push to every destination, at a height above `above` and all given out here.

        None if the entry went, or was numbered anew for another destination, meanwhile.
        """
        snapshot = self.snapshot(entry)
        making = self.pin(entry.files, entry.on_disk, folders=empty_folders(entry.files))
        if snapshot.beside is not None:
            shutil.copytree(snapshot.beside.root, making / _BESIDE)
            self.settle(making / _BESIDE)
        with self.lock:
            if not entry.folder.is_dir():
                self.discard(making)
                return None
            height = max(above, self.last_height(entry.push.term)) + 1
            push = replace(
                entry.push, height=height, attempt=token(), salt=bytes.fromhex(token())[:16], counter=self.counter
            )
            made = self.admit(making, push, entry.signature, snapshot)
            self.finish(entry)
        return made

    def snapshot(self, entry: Entry) -> Snapshot:
        """The entry's files, read once for all destinations; once more after a restart.

        SourceChanged if they are not what was admitted: a trainer that rewrites in place changes the pinned file too.
        """
        with self._reading:
            if entry.folder not in self._snapshots:
                snapshot = take_snapshot(entry.files, entry.on_disk, empty_folders(entry.files))
                if snapshot.digest != entry.root:
                    raise SourceChanged(f"{entry.push.name} was rewritten in place after it was admitted")
                self._snapshots[entry.folder] = replace(snapshot, beside=take_beside(entry.folder))
            return self._snapshots[entry.folder]

    def discard(self, making: Path) -> None:
        shutil.rmtree(making, ignore_errors=True)

    def finish(self, entry: Entry) -> None:
        """Every destination has its mark: let the files go."""
        gone = self._root / f".making-{secrets.token_hex(8)}"
        with self.lock:
            self._snapshots.pop(entry.folder, None)
            entry.folder.rename(gone)
        shutil.rmtree(gone)

    def forget_delivered(
        self, destinations: Iterable[str], *, owed: Callable[[Entry], bool] = lambda _entry: False
    ) -> None:
        """Let go of entries that all of `destinations` have marked, and that nobody waits to hear of (`owed`)."""
        wanted = set(destinations)
        with self.lock:
            for entry in self.entries():
                if wanted <= set(entry.marks()) and not owed(entry):
                    self.finish(entry)

    def last_height(self, term: int) -> int:
        """The highest height that this spool ever gave out in `term`."""
        with self.lock:
            given = [entry.push.height for entry in self.entries() if entry.push.term == term]
            remembered = int(self._memory().get("heights", {}).get(str(term), 0))
            return max([remembered, self._given.get(term, 0), *given])

    def born(self, term: int) -> None:
        """Remember at the first look that `term` was open: an earlier spool of this site may have numbered in it."""
        with self.lock:
            memory = self._memory()
            if "born" not in memory:
                self._write_memory({**memory, "born": term})

    def numbers(self, term: int) -> bool:
        """Whether this spool knows every height that this site gave out in `term`."""
        memory = self._memory()
        return str(term) in memory.get("heights", {}) or term > int(memory.get("born", term))

    def number_above(self, term: int, height: int) -> None:
        """Give out heights of `term` above `height` only."""
        with self.lock:
            memory = self._memory()
            heights = memory.setdefault("heights", {})
            heights[str(term)] = max(height, int(heights.get(str(term), 0)))
            self._write_memory(memory)

    def reserve(self, term: int, signatures: Sequence[str], above: int) -> dict[str, int]:
        """The height of each checkpoint in `term`: as it was given out, or the next ones in the order given.

        It survives a restart, so that an older checkpoint that is read after a newer one stays the older. Of a single
        new one nothing is kept: `admit` does that, and until then the height may go to another.
        """
        with self.lock:
            known = self.reserved(term)
            start = max(above, self.last_height(term)) + 1
            new = {each: start + n for n, each in enumerate(each for each in signatures if each not in known)}
            if len(new) > 1:
                memory = self._memory()
                kept = {**memory.get("reserved", {}), **{each: [term, height] for each, height in new.items()}}
                memory["reserved"] = dict(list(kept.items())[-_REMEMBERED:])
                memory.setdefault("heights", {})[str(term)] = start + len(new) - 1
                self._write_memory(memory)
            return {each: (known | new)[each] for each in signatures}

    def reserved(self, term: int) -> dict[str, int]:
        """By signature, the heights that were given to several checkpoints at once."""
        held: dict[str, list[int]] = self._memory().get("reserved", {})
        return {signature: height for signature, (of, height) in held.items() if of == term}

    def newest(self, term: int) -> tuple[int, float] | None:
        """(step, time of save) of the greatest height given out in `term`."""
        held: list[float] = self._memory().get("newest", {}).get(str(term), [])
        return (int(held[0]), held[1]) if held else None

    def set_newest(self, term: int, step: int, saved_at: float) -> None:
        with self.lock:
            memory = self._memory()
            memory["newest"] = {str(term): [step, saved_at]}
            self._write_memory(memory)

    def knows(self, signature: str) -> bool:
        remembered: list[str] = self._memory().get("signatures", [])
        return signature in remembered or any(entry.signature == signature for entry in self.entries())

    def note(self, signature: str) -> None:
        """Remember a checkpoint that needs no push, so that it is not looked at again."""
        with self.lock:
            memory = self._memory()
            memory["signatures"] = [*memory.get("signatures", []), signature][-_REMEMBERED:]
            self._write_memory(memory)

    def _remember(self, push: Push, signature: str) -> None:
        self.number_above(push.term, push.height)
        self.note(signature)

    def _memory(self) -> dict[str, Any]:
        path = self._root / "memory.json"
        try:
            return dict(_MEMORY.validate_json(path.read_bytes())) if path.exists() else {}
        except ValidationError as error:
            raise ReplicatorError(f"{path} cannot be read: {error.errors()[0]['msg']}", hint=_FORGET) from error

    def _write_memory(self, memory: dict[str, Any]) -> None:
        write_durably(self._root / "memory.json", json.dumps(memory).encode())


def read_entries(root: Path) -> tuple[list[Entry], str | None]:
    """Entries below a spool's folder that can be read, newest first, and which could not; changes nothing."""
    found: list[Entry] = []
    trouble: str | None = None
    for folder in root.iterdir():
        if folder.is_dir() and folder.name[0] != ".":
            try:
                found.append(_read(folder))
            except ReplicatorError as error:
                trouble = str(error)
    return sorted(found, key=lambda entry: (entry.push.term, entry.push.height), reverse=True), trouble


def _read(folder: Path) -> Entry:
    try:
        body = json.loads((folder / _PUSH).read_bytes())
        parent = body["parent"]
        push = Push(
            workload=body["workload"], name=body["name"], term=body["term"], height=body["height"], step=body["step"],
            attempt=body["attempt"], salt=bytes.fromhex(body["salt"]), saved_at=body["saved_at"],
            parent=CommitId(*parent) if parent else None,
            findings=tuple(Finding.model_validate(finding) for finding in body["findings"]), counter=body.get("counter"),
            versions=Versions.model_validate(body["versions"]) if body.get("versions") else None,
            point=Point.model_validate_json(json.dumps(body["point"])) if body.get("point") else None,
        )  # fmt: skip
        return Entry(folder, push, body["signature"], tuple(body["files"]), body["root"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise ReplicatorError(
            f"spool entry {folder} cannot be read: {error}",
            hint="Move that folder away; the checkpoint is pushed anew.",
        ) from error
