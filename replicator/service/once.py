"""A push without a service: the caller's checkpoint, read once, to every repository named.

A repository without an environment opens term 1 at its first push (DESIGN, rule 3). One of an environment takes only
its open term's writer. A push is whole, of one part: the launcher's DRSTACK_ATTEMPT, which is the same for every
checkpoint of a run, does not name it.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from replicator.admission import DEFAULT, Policy
from replicator.errors import CheckpointTorn, NotOpen, Sealed
from replicator.layouts import inspect
from replicator.log.entries import Open
from replicator.repository.beside import FOLDER as BESIDE
from replicator.repository.beside import take_beside, write_beside
from replicator.repository.heads import HeadMemory, require_whole
from replicator.repository.known import Known
from replicator.repository.names import shown
from replicator.repository.repository import random_token
from replicator.repository.ruling import newest_sound
from replicator.repository.ship import Push, choose_base, ship
from replicator.repository.snapshot import take_snapshot
from replicator.service.intake import judged
from replicator.versions.watched import WatchedVersions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.consistency.point import TakenPoint
    from replicator.consistency.system import System
    from replicator.log.replay import LogView
    from replicator.model import Point, Versions
    from replicator.repository.repository import Repository
    from replicator.repository.snapshot import Snapshot

_HISTORY = 3


class Pushed(TypedDict):
    url: str
    commit: str
    step: int
    slot: int
    shipped_bytes: int
    size_bytes: int
    findings: list[str]
    no_point: str | None
    """Why other systems that were to be kept are not."""
    already: bool


def push_once(
    path: Path,
    repositories: Sequence[Repository],
    *,
    workload: str,
    step: int,
    writer: str,
    policy: Policy = DEFAULT,
    systems: Sequence[System] = (),
) -> list[Pushed]:
    """Ship `path` to every repository. CheckpointTorn, Sealed, NotOpen, RepositoryUnknown, RolledBack, StoreError.

    `systems` are kept in the same commit, as they are now: whoever pushes knows that they stand at the step.
    """
    candidate = inspect(path)
    if not candidate.complete:
        raise CheckpointTorn(f"{path}: {candidate.why}")
    versions = WatchedVersions(path)
    versions.ask()
    _, base = choose_base(repositories[0], workload, repositories[0].log(workload).view())
    snapshot = take_snapshot(path, candidate.files, candidate.folders, known=Known(base))
    with tempfile.TemporaryDirectory(prefix="drstack-push-") as scratch:
        gathered = versions.of(snapshot, candidate.layout)
        write_beside(Path(scratch), gathered.files)
        taken = _take(systems, Path(scratch) / "systems")
        if taken is not None:
            taken.move_to(Path(scratch) / BESIDE)
        whole = replace(snapshot, beside=take_beside(Path(scratch)))
        made = _Made(gathered.versions, taken.point if taken else None)
        return _push(path, repositories, whole, made, policy, workload=workload, step=step, writer=writer)


def _take(systems: Sequence[System], folder: Path) -> TakenPoint | None:
    if not systems:
        return None
    from replicator.consistency.point import take_point  # noqa: PLC0415 - few pushes have any

    return take_point(systems, folder)


class _Made(NamedTuple):
    versions: Versions
    point: Point | None


def _push(
    path: Path,
    repositories: Sequence[Repository],
    snapshot: Snapshot,
    made: _Made,
    policy: Policy,
    *,
    workload: str,
    step: int,
    writer: str,
) -> list[Pushed]:
    memory = HeadMemory()
    for repository in repositories:
        require_whole(repository, workload, memory.of(repository, workload))
    views = [open_for(repository, workload, writer) for repository in repositories]
    term = max(view.term for view in views)
    known = [(view, key) for view in views for key, a in view.accepted.items() if _same(a.what.root, snapshot)]
    height = known[0][1].height if known else 1 + max((view.heads().get(str(term), 0) for view in views), default=0)
    history = repositories[0].tensors(newest_sound(repositories[0], workload, views[0], _HISTORY, below=step))
    push = Push(
        workload=workload, name=shown(path.absolute().name), term=term, height=height, step=step,
        attempt=random_token(), salt=bytes.fromhex(random_token())[:16],
        saved_at=snapshot.saved_at, findings=tuple(judged(snapshot.tensors, history, snapshot=snapshot, policy=policy)),
        parent=max((key for view in views for key in view.accepted), default=None), versions=made.versions,
        point=made.point,
    )  # fmt: skip
    pushed = [_push_to(push, snapshot, repository) for repository in repositories]
    for repository in repositories:
        memory.remember(repository, workload)
    return pushed


def open_for(repository: Repository, workload: str, writer: str) -> LogView:
    """The log's view, opened at term 1 if the repository belongs to no environment.

    In one that does, NotOpen or Sealed unless `writer` is whom the open term names.
    """
    environment = repository.format().environment
    log = repository.log(workload)
    view = log.view()
    if environment is not None:
        _require_writer(view, writer, f"{repository.store.url} ({workload}) belongs to environment {environment}")
    elif view.term == 0 and view.sealed == 0:
        log.open(Open(term=1, writer=writer))
    return log.view()


def _require_writer(view: LogView, writer: str, where: str) -> None:
    if view.term == 0:
        raise NotOpen(f"{where}, which has not opened it here")
    if not view.writable:
        raise Sealed(f"{where}; term {view.term} is sealed")
    named = view.opened[view.term].writer
    if named != writer:
        raise NotOpen(
            f"{where}; in term {view.term} {named} writes there, not {writer}",
            hint=f"The replicator at {named} ships what its trainer saves. To push in its place: --writer {named}",
        )


def _push_to(push: Push, snapshot: Snapshot, repository: Repository) -> Pushed:
    log = repository.log(push.workload)
    before = next((a for a in log.view().in_order() if _same(a.what.root, snapshot)), None)
    accepted = before or ship(push, snapshot, repository)
    if accepted is None:
        raise NotOpen(f"{repository.store.url}: other ranks' parts are missing")
    return Pushed(
        url=repository.store.url, commit=str(accepted.what.id()), step=accepted.what.step, slot=accepted.slot,
        shipped_bytes=0 if before else accepted.where.shipped_bytes, size_bytes=accepted.what.size_bytes,
        findings=[finding.reason for finding in accepted.what.findings], already=before is not None,
        no_point=accepted.what.point.reason if accepted.what.point else None,
    )  # fmt: skip


def _same(digest: str, snapshot: Snapshot) -> bool:
    return digest == snapshot.digest
