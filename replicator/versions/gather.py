"""Gathering it all once for an attempt, beside the training: nobody waits for it, and each question has its own thread.

What has no answer yet when a checkpoint is committed is written down as unknown.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from replicator.versions import document as documents
from replicator.versions.asking import Unknown
from replicator.versions.code import gather_code, repository_of
from replicator.versions.container import container_of
from replicator.versions.data import DECLARED, declared_data, declared_paths, dvc_data
from replicator.versions.document import Code, Data, Document, Lock, RegistryModel, Run
from replicator.versions.hardware import hardware_here
from replicator.versions.lock import installed_here, lock_files, lock_of
from replicator.versions.registry import registry_model
from replicator.versions.secrets import scrub
from replicator.versions.software import software_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from replicator.model import Versions
    from replicator.versions.code import Git
    from replicator.versions.document import By, Hardware, Software

_ELSEWHERE = "only the trainer's own process knows it"
_NOT_YET = "it was not known yet when the checkpoint was committed"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The essentials for the log, and the files to keep beside the checkpoint."""

    document: Document
    files: Mapping[str, bytes]

    @property
    def versions(self) -> Versions:
        return documents.essentials(self.document)


@dataclass(frozen=True, slots=True)
class Source:
    """Who asks, and what it can see. `root`: a folder or file of the training program; `outputs`: what it writes.

    Sections that are given as functions come from the trainer's process; without them they are unknown.
    """

    by: By
    root: Path
    outputs: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    software: Callable[[], Software] | None = None
    hardware: Callable[[], Hardware] | None = None
    installed: bool = False
    """Whether this interpreter is the trainer's."""
    mlflow_run: Callable[[], str | None] = lambda: None

    @classmethod
    def of_this_process(cls, by: By, root: Path, *, outputs: Sequence[Path] = ()) -> Source:
        """For a process that trains, or runs where the work is to run: its interpreter and machine are those asked for."""
        environment = dict(os.environ)
        return cls(
            by, root, tuple(outputs), environment, software=software_here,
            hardware=lambda: hardware_here(environment), installed=True,
        )  # fmt: skip


class Gathering:
    """Asks everything at once, in threads that no process waits for at its end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._unknown: dict[str, str] = {}
        self._files: dict[str, bytes] = {}
        self._looking = threading.Lock()
        self._found: Git | Unknown | None = None
        questions: dict[str, Callable[[], object]] = {
            "code": self._code, "data": self._data, "model": self._model, "lock": self._locks,
            "container": lambda: container_of(source.environment),
            "software": _asked(source.software), "hardware": _asked(source.hardware),
        }  # fmt: skip
        self._threads = {name: self._start(name, question) for name, question in questions.items()}

    def wait(self, timeout_s: float) -> None:
        """Until all is known, or the time is over."""
        until = time.monotonic() + timeout_s
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))

    def now(self, run: Run | None = None) -> Gathered:
        """What is known at this moment; never waits."""
        with self._lock:
            unknown = {name: self._unknown.get(name, _NOT_YET) for name in self._threads if name not in self._known}
            document = Document(by=self._source.by, at=time.time(), run=run, unknown=unknown, **self._known)
            files = dict(self._files)
        return Gathered(document, {documents.NAME: documents.encode(document), **files})

    def _start(self, name: str, question: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self._answer, args=(name, question), name=f"drstack-{name}", daemon=True)
        thread.start()
        return thread

    def _answer(self, name: str, question: Callable[[], object]) -> None:
        try:
            known = question()
        except Unknown as why:
            with self._lock:
                self._unknown[name] = str(why)
        except Exception as error:  # noqa: BLE001 - a training never ends for this; what went wrong is written down
            with self._lock:
                self._unknown[name] = scrub(f"{type(error).__name__}: {error}")
        else:
            with self._lock:
                self._known[name] = known

    def _keep(self, name: str, body: bytes) -> None:
        with self._lock:
            self._files[name] = body

    def _code(self) -> Code:
        code, patch = gather_code(self._repository(), self._source.outputs)
        if patch is not None:
            self._keep(documents.PATCH, patch)
        return code

    def _data(self) -> Data:
        declared = declared_paths(self._source.environment.get(DECLARED))
        if declared:
            return declared_data(declared)
        found = dvc_data(self._repository())
        if found is None:
            raise Unknown(f"no DVC in the repository, and {DECLARED} names no path")
        return found

    def _model(self) -> RegistryModel:
        return registry_model(self._source.environment, self._source.mlflow_run(), self._folder())

    def _locks(self) -> Lock:
        installed = installed_here(self._source.environment) if self._source.installed else None
        if installed is not None:
            self._keep(documents.INSTALLED, installed)
        folder = self._folder()
        return lock_of(lock_files(folder) if folder is not None else {}, installed)

    def _folder(self) -> Path | None:
        try:
            return self._repository().folder
        except Unknown:
            return self._source.root if self._source.root.is_dir() else None

    def _repository(self) -> Git:
        """Looked up once. Unknown."""
        with self._looking:
            if self._found is None:
                try:
                    self._found = repository_of(self._source.root)
                except Unknown as why:
                    self._found = why
            if isinstance(self._found, Unknown):
                raise Unknown(str(self._found))
            return self._found


def _asked(question: Callable[[], T] | None) -> Callable[[], T]:
    if question is not None:
        return question

    def elsewhere() -> T:
        raise Unknown(_ELSEWHERE)

    return elsewhere
