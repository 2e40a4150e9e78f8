"""A DCP storage writer: every rank ships its own files as a part, the coordinator's `finish` commits all of them.

Each rank writes its files to a folder of its own node first (torch's FileSystemWriter), and ships from there: memory
stays bounded by a pack, several repositories take the same bytes, and a store's lost answer can be asked again. Attempt
and salt travel to the ranks in DCP's own plans, so that no two saves ever share a part. The `.metadata` is the last part:
before it is there nothing can be committed, and without the commit nothing is visible.
"""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex
from torch.distributed.checkpoint.storage import StorageWriter, WriteResult
from torch.futures import Future

from replicator.consistency.point import not_made, take_point
from replicator.errors import HeightTaken, ReplicatorError, StoreError
from replicator.layouts.steps import step_of
from replicator.repository.beside import FOLDER as BESIDE
from replicator.repository.beside import take_beside, write_beside
from replicator.repository.repository import random_token
from replicator.repository.ruling import newest_sound
from replicator.repository.ship import Push, ship
from replicator.service.intake import judged
from replicator.service.once import open_for
from replicator.stores.store import check_key
from replicator.train.acknowledging import Wanted, await_receipts, near_of
from replicator.train.dcp.part import snapshot_metadata, snapshot_part
from replicator.train.running import gathering, run_now
from replicator.train.scratch import Scratch
from replicator.train.targets import log, open_repositories, say_if_plain, urls_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.distributed.checkpoint.planner import SavePlan, SavePlanner

    from replicator.consistency.point import TakenPoint
    from replicator.consistency.system import System
    from replicator.log.replay import Accepted
    from replicator.model import Finding
    from replicator.repository.manifest import TensorEntry
    from replicator.repository.repository import Repository
    from replicator.repository.snapshot import Snapshot
    from replicator.versions.gather import Gathering

_REPORT = "drstack: what a rank read of its part"
_TRIES = 5
_UNNUMBERED = 1
_HISTORY = 3


@dataclass(frozen=True)
class _Order:
    """What the coordinator tells a rank in its plan: the push, the rank's part in it, and torch's own storage data."""

    push: Push
    inner: object


@dataclass(frozen=True)
class _Report:
    tensors: tuple[TensorEntry, ...]


class RepositoryWriter(StorageWriter):
    """Saves into one repository, or into several: `dcp.save(state, storage_writer=RepositoryWriter(url, …))`.

    `step` may come with each save instead: `dcp.save(state, checkpoint_id="step-100", storage_writer=writer)`. `spool` is
    a folder with room for this node's share of a checkpoint; the system's temporary folder by default. A save that
    returned is committed in every repository named; one that raised is visible in those only whose commit was reached.
    `near` names those of the repositories whose receipts a save waits for besides (RPO 0): with one of them down it
    stalls, or, with `patience_s`, raises NotAcknowledged after that many seconds.
    `point`: systems that are kept at the step in the same commit, while dcp.save holds all ranks.
    """

    def __init__(
        self,
        repo: str | Sequence[str],
        *,
        workload: str,
        step: int | None = None,
        writer: str = "standalone",
        spool: str | os.PathLike[str] | None = None,
        threads: int = 1,
        near: str | Sequence[str] = (),
        patience_s: float | None = None,
        point: Sequence[System] = (),
    ) -> None:
        super().__init__()
        self._systems = tuple(point)
        self._made_in = os.getpid()
        self._gathering: Gathering | None = None
        self._urls = urls_of(repo)
        self._near = near_of(near, self._urls)
        self._patience_s = patience_s
        self._workload = workload
        self._step = step
        self._writer = writer
        self._spool = None if spool is None else os.fspath(spool)
        self._threads = threads
        self._scratch: Scratch | None = None
        self._files: FileSystemWriter | None = None
        self._push: Push | None = None
        self.committed: str | None = None
        """The checkpoint's name in the repositories, as `replicator list` shows it: on the coordinator, after a save."""

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        self._drop()
        self.committed = None
        if checkpoint_id is not None and str(checkpoint_id):
            name = os.fspath(checkpoint_id).rstrip("/").rpartition("/")[2]
            step = step_of(name)
            if step is None:
                raise ReplicatorError(
                    f"checkpoint_id={str(checkpoint_id)!r} does not end in a step", hint='Use "step-100", say.'
                )
            self._step = step

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:  # noqa: FBT001
        del args, is_coordinator
        if not kwargs.get("use_collectives", True):
            raise ReplicatorError(
                "use_collectives=False leaves nobody who sees all ranks' files, so that nothing could be committed",
                hint="Leave it out of dcp.save.",
            )
        if self._step is None or self._step < 0:
            raise ReplicatorError(
                f"step={self._step} of {self._workload}: a save needs the training step",
                hint='RepositoryWriter(…, step=step), or dcp.save(…, checkpoint_id=f"step-{step}").',
            )
        self._drop()
        self._scratch = Scratch(self._spool)
        self._files = FileSystemWriter(self._scratch.files, thread_count=self._threads, sync_files=False)
        self._files.set_up_storage_writer(True, rank=kwargs.get("rank"), use_collectives=True)

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return self._inner().prepare_local_plan(plan)

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """The coordinator asks the repositories, before any rank has written: a sealed one costs nobody a save."""
        repositories = open_repositories(self._urls)
        for repository in repositories:
            say_if_plain(repository)
        views = [open_for(repository, self._workload, self._writer) for repository in repositories]
        step = cast("int", self._step)
        self._push = Push(
            workload=self._workload, name=f"step-{step}", term=max(view.term for view in views), height=_UNNUMBERED,
            step=step, attempt=attempt_of(os.environ.get("DRSTACK_ATTEMPT"), random_token()),
            salt=bytes.fromhex(random_token())[:16], saved_at=time.time(), world=len(plans) + 1,
            parent=max((key for view in views for key in view.accepted), default=None),
        )  # fmt: skip
        self._gathering = gathering([Path(self._spool)] if self._spool else [])
        inner = self._inner().prepare_global_plan(plans)
        return [
            replace(plan, storage_data=_Order(replace(self._push, rank=rank), plan.storage_data))
            for rank, plan in enumerate(inner)
        ]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        order: object = plan.storage_data
        if getattr(planner, "_enable_plan_caching", False) or not isinstance(order, _Order):
            raise ReplicatorError(
                "the planner did not pass this save's plan on (enable_plan_caching?)",
                hint="Use a planner that does not cache plans: DefaultSavePlanner() as it is.",
            )
        began = time.monotonic()
        results = self._inner().write_data(replace(plan, storage_data=order.inner), planner).wait()
        scratch = cast("Scratch", self._scratch)
        snapshot = snapshot_part(scratch.files, plan.items, results)
        push = replace(order.push, saved_at=snapshot.saved_at)
        for repository in open_repositories(self._urls):
            ship(push, snapshot, repository)
        for path in scratch.files.iterdir():
            path.unlink()
        log.info(
            "%s step %d: rank %d shipped %s bytes in %.1f s",
            push.workload, push.step, push.rank, f"{snapshot.size_bytes:,}", time.monotonic() - began,
        )  # fmt: skip
        if self._push is None:
            self._drop()
        report = WriteResult(MetadataIndex(_REPORT), 0, _Report(snapshot.tensors))
        written: Future[list[WriteResult]] = Future()
        written.set_result([*results, report])
        return written

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        push = self._push
        if push is None:
            raise ReplicatorError("finish without a plan: this writer was no coordinator when the save began")
        tensors: list[TensorEntry] = []
        files: list[list[WriteResult]] = []
        for rank in results:
            reports = [cast("_Report", each.storage_data) for each in rank if each.index.fqn == _REPORT]
            tensors.extend(entry for report in reports for entry in report.tensors)
            files.append([each for each in rank if each.index.fqn != _REPORT])
        self._inner().finish(metadata, files)
        try:
            accepted = self._commit(replace(push, rank=push.world - 1), tensors)
            self._await(accepted, push)
        finally:
            self._drop()
        self.committed = str(accepted.what.id())
        found = "".join(f"; SUSPECT: {each.reason}" for each in accepted.what.findings)
        log.log(30 if found else 20, "%s step %d is committed as %s%s", push.workload, push.step, self.committed, found)

    def _commit(self, push: Push, tensors: Sequence[TensorEntry]) -> Accepted:
        """Number it above what any repository holds, and commit to each; all get the same number."""
        snapshot = snapshot_metadata(cast("Scratch", self._scratch).files)
        repositories = open_repositories(self._urls)
        push = replace(push, saved_at=snapshot.saved_at, findings=_findings(repositories[0], push.workload, tensors))
        push, snapshot = self._with_beside(push, snapshot, tensors)
        for attempt in range(_TRIES):
            heads = [repository.log(push.workload).view().heads() for repository in repositories]
            numbered = replace(push, height=1 + max(head.get(str(push.term), 0) for head in heads))
            try:
                done = _ship(numbered, snapshot, repositories[0])
            except HeightTaken:
                if attempt + 1 == _TRIES:
                    raise
                continue
            for repository in repositories[1:]:
                _ship(numbered, snapshot, repository)
            return done
        raise AssertionError  # the last try returns or raises

    def _await(self, accepted: Accepted, push: Push) -> None:
        """Until every near repository has receipts of the commit. NotAcknowledged, Sealed."""
        what = accepted.what
        wanted = Wanted(push.workload, what.step, what.name, what.saved_at, what.id())
        for repository in open_repositories(self._near):
            await_receipts(repository, wanted, patience_s=self._patience_s)

    def _with_beside(self, push: Push, snapshot: Snapshot, tensors: Sequence[TensorEntry]) -> tuple[Push, Snapshot]:
        """Add the versions that are known by now, for which nobody waits, and the point."""
        scratch = cast("Scratch", self._scratch).files.parent
        point = self._take_point(scratch) if self._systems else None
        if point is not None:
            point.move_to(scratch / BESIDE)
        gathered = None
        if self._gathering is not None:
            dtypes = {each.dtype for each in tensors if "float" in each.dtype}
            run = run_now(dtypes=sorted(dtypes), layout="dcp").model_copy(update={"world": push.world - 1})
            gathered = self._gathering.now(run)
            write_beside(scratch, gathered.files)
        versions = gathered.versions if gathered else None
        beside = take_beside(scratch)
        return replace(push, versions=versions, point=point.point if point else None), replace(snapshot, beside=beside)

    def _take_point(self, scratch: Path) -> TakenPoint:
        """In dcp.save all ranks wait for this one; in dcp.async_save they train on, and nothing is at one point."""
        if os.getpid() != self._made_in or threading.current_thread() is not threading.main_thread():
            return not_made("the save runs beside the training (async_save), whose ranks do not stand still")
        return take_point(self._systems, scratch / "systems")

    def _inner(self) -> FileSystemWriter:
        if self._files is None:
            raise ReplicatorError("set_up_storage_writer comes first: use the writer through dcp.save")
        return self._files

    def _drop(self) -> None:
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._files = self._push = None

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return step_of(os.fspath(checkpoint_id).rstrip("/").rpartition("/")[2]) is not None


def attempt_of(launcher: str | None, token: str) -> str:
    """A save's attempt: random, below the launcher's where there is one (it is the same for all saves of a start)."""
    if not launcher:
        return token
    try:
        named = check_key(launcher)
    except StoreError as error:
        raise ReplicatorError(f"DRSTACK_ATTEMPT={launcher!r}: {error}", hint="Leave it to the launcher.") from error
    if re.search("/", named):
        raise ReplicatorError(f"DRSTACK_ATTEMPT={launcher!r} holds a '/'", hint="Leave it to the launcher.")
    return f"{named}.{token}"


def _ship(push: Push, snapshot: Snapshot, repository: Repository) -> Accepted:
    accepted = ship(push, snapshot, repository)
    if accepted is None:
        raise ReplicatorError(
            f"{repository.store.url}: parts of {push.workload} step {push.step} that ranks shipped are gone",
            hint="Save again; find out who deletes there.",
        )
    return accepted


def _findings(repository: Repository, workload: str, tensors: Sequence[TensorEntry]) -> tuple[Finding, ...]:
    history = newest_sound(repository, workload, repository.log(workload).view(), _HISTORY)
    return judged(tensors, repository.tensors(history))
