"""The spool: checkpoints pinned by hard links until every destination has them. It survives a SIGKILL.

An entry appears whole, by a rename, with everything that a push needs to be the same push after a restart: attempt,
salt, height. A destination that has it, or will never take it, leaves a mark; with all marks the entry goes.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from replicator.errors import ReplicatorError
from replicator.model import CommitId, Finding
from replicator.repository.ship import Push
from replicator.repository.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_PUSH = "push.json"
_FILES = "files"


@dataclass(frozen=True, slots=True)
class Entry:
    """A pinned checkpoint. `signature` tells it from another one saved under the same name."""

    folder: Path
    push: Push
    signature: str

    @property
    def files(self) -> Path:
        return self.folder / _FILES

    def marks(self) -> dict[str, str]:
        """Per destination how it ended: `committed` or the reason why it never will be."""
        return {path.name.removeprefix("mark-"): path.read_text() for path in self.folder.glob("mark-*")}

    def mark(self, destination: str, outcome: str) -> None:
        _write_durably(self.folder / f"mark-{destination}", outcome.encode())


class Spool:
    """The entries of one workload, below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._snapshots: dict[Path, Snapshot] = {}
        self._reading = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(".making-*"):
            shutil.rmtree(leftover)

    def entries(self) -> list[Entry]:
        """Pending entries, newest first."""
        found: list[Entry] = []
        for folder in self._root.iterdir():
            if folder.is_dir() and folder.name[0] != ".":
                try:
                    found.append(_read(folder))
                except FileNotFoundError:
                    continue
        return sorted(found, key=lambda entry: (entry.push.term, entry.push.height), reverse=True)

    def pin(self, source: Path, files: Sequence[str]) -> Path:
        """Link the checkpoint's files into a folder that no entry owns yet; copies where links cannot be made."""
        making = self._root / f".making-{secrets.token_hex(8)}"
        for name in files:
            target = making / _FILES / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(source / name if source.is_dir() else source, target)
        return making

    def admit(self, making: Path, push: Push, signature: str, snapshot: Snapshot) -> Entry:
        """Make the pinned folder, which `snapshot` was taken of, an entry."""
        body = {
            "workload": push.workload, "name": push.name, "term": push.term, "height": push.height, "step": push.step,
            "attempt": push.attempt, "salt": push.salt.hex(), "saved_at": push.saved_at, "parent": push.parent,
            "findings": [finding.model_dump() for finding in push.findings], "signature": signature,
        }  # fmt: skip
        _write_durably(making / _PUSH, json.dumps(body).encode())
        folder = self._root / f"{push.term}.{push.height}-{push.attempt[:8]}"
        making.rename(folder)
        self._remember(push, signature)
        entry = Entry(folder, push, signature)
        self._snapshots[folder] = replace(snapshot, root=entry.files)
        return entry

    def snapshot(self, entry: Entry) -> Snapshot:
        """The entry's files, read once for all destinations; once more after a restart."""
        with self._reading:
            if entry.folder not in self._snapshots:
                files = [path.relative_to(entry.files).as_posix() for path in entry.files.rglob("*") if path.is_file()]
                self._snapshots[entry.folder] = take_snapshot(entry.files, files)
            return self._snapshots[entry.folder]

    def discard(self, making: Path) -> None:
        shutil.rmtree(making, ignore_errors=True)

    def finish(self, entry: Entry) -> None:
        """Every destination has its mark: let the files go."""
        self._snapshots.pop(entry.folder, None)
        gone = self._root / f".making-{secrets.token_hex(8)}"
        entry.folder.rename(gone)
        shutil.rmtree(gone)

    def forget_delivered(self, destinations: Iterable[str]) -> None:
        """Let go of entries that all of `destinations` have marked."""
        wanted = set(destinations)
        for entry in self.entries():
            if wanted <= set(entry.marks()):
                self.finish(entry)

    def last_height(self, term: int) -> int:
        """The highest height that this spool ever gave out in `term`."""
        given = [entry.push.height for entry in self.entries() if entry.push.term == term]
        return max([int(self._memory().get("heights", {}).get(str(term), 0)), *given])

    def knows(self, signature: str) -> bool:
        remembered: list[str] = self._memory().get("signatures", [])
        return signature in remembered or any(entry.signature == signature for entry in self.entries())

    def note(self, signature: str) -> None:
        """Remember a checkpoint that needs no push, so that it is not looked at again."""
        memory = self._memory()
        memory["signatures"] = [*memory.get("signatures", []), signature][-256:]
        self._write_memory(memory)

    def _remember(self, push: Push, signature: str) -> None:
        memory = self._memory()
        heights = memory.setdefault("heights", {})
        heights[str(push.term)] = max(push.height, int(heights.get(str(push.term), 0)))
        memory["signatures"] = [*memory.get("signatures", []), signature][-256:]
        self._write_memory(memory)

    def _memory(self) -> dict[str, Any]:
        path = self._root / "memory.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    def _write_memory(self, memory: dict[str, Any]) -> None:
        _write_durably(self._root / "memory.json", json.dumps(memory).encode())


def _read(folder: Path) -> Entry:
    try:
        body = json.loads((folder / _PUSH).read_bytes())
        parent = body["parent"]
        push = Push(
            workload=body["workload"], name=body["name"], term=body["term"], height=body["height"], step=body["step"],
            attempt=body["attempt"], salt=bytes.fromhex(body["salt"]), saved_at=body["saved_at"],
            parent=CommitId(*parent) if parent else None,
            findings=tuple(Finding.model_validate(finding) for finding in body["findings"]),
        )  # fmt: skip
        return Entry(folder, push, body["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise ReplicatorError(
            f"spool entry {folder} cannot be read: {error}",
            hint="Move that folder away; the checkpoint is pushed anew.",
        ) from error


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target)


def _write_durably(path: Path, body: bytes) -> None:
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with staged.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
