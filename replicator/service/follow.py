"""A service for a folder without a configuration file: what `replicator watch` runs.

Which runs the folder holds is looked up, and looked up again while it is followed: each run becomes a workload. Nothing
is written into the folder itself unless there is no other place: trainers list it, and some take every name in it for
a checkpoint.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError
from replicator.layouts import Run, find, find_runs
from replicator.service.config import Admission, Destination, ServiceConfig, WatchedWorkload
from replicator.service.destinations import latecomers, open_or_make, remember
from replicator.service.holding import holding
from replicator.service.once import open_for
from replicator.service.service import Service

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.admission import Reason
    from replicator.crypto.keyring import Keyring
    from replicator.log.replay import LogView
    from replicator.repository.repository import Repository

_WAIT_S = 1.0
_RUNS_S = 5.0
"""How often a folder of several runs is searched for another."""
_SPOOL = ".drstack-spool"


@dataclass(frozen=True, slots=True)
class Watch:
    """What `replicator watch` was told. `workload`: None for the run's own name. `spool`: None for beside the folder."""

    path: Path
    urls: Sequence[str]
    workload: str | None = None
    writer: str = "standalone"
    spool: Path | None = None
    quiet_s: float = 10.0
    create: bool = True
    once: bool = False
    keys: Keyring | None = None
    ignore: tuple[Reason, ...] = ()
    """Reasons for which no checkpoint is suspect."""
    code: Path | None = None


def follow(
    watch: Watch,
    *,
    report: Callable[[dict[str, object]], None],
    tell: Callable[[str], None],
    stop: threading.Event,
) -> str | None:
    """Ship until `stop` is set, or until nothing is pending with `once`. Returns why a seal ended it, else None.

    `tell` gets what people want to know that is no result.
    """
    where = spool_of(watch)
    repositories = [open_or_make(url, where, create=watch.create, tell=tell, keys=watch.keys) for url in watch.urls]
    once = _Once(tell)
    if not _await_folder(watch, once, stop):
        return None
    with holding(spool_of(watch)):
        return _follow(watch, repositories, report, once, stop)


def _await_folder(watch: Watch, once: _Once, stop: threading.Event) -> bool:
    """Whether the folder is there: where the spool lies depends on it."""
    while not watch.path.is_dir() and not stop.is_set():
        if watch.once:
            once.tell(f"{watch.path} is no folder")
            return False
        once(f"{watch.path} holds no checkpoint yet; waiting for the first")
        stop.wait(_WAIT_S)
    return not stop.is_set()


def _follow(
    watch: Watch,
    repositories: Sequence[Repository],
    report: Callable[[dict[str, object]], None],
    once: _Once,
    stop: threading.Event,
) -> str | None:
    followed: list[Run] = []
    while not stop.is_set():
        followed = _select(watch, followed, repositories[0], once)
        if followed:
            service = _begin(watch, followed, repositories, once)
            if watch.once:
                return service.drain(report, stop)
            ended = service.follow(report, stop, _Grown(watch, followed, once))
            if ended is not None:
                return ended
        elif watch.once:
            once(f"{watch.path} holds no checkpoint")
            return None
        else:
            once(f"{watch.path} holds no checkpoint yet; waiting for the first")
            stop.wait(_WAIT_S)
    return None


@dataclass(slots=True)
class _Once:
    """Says each thing once."""

    tell: Callable[[str], None]
    said: set[str] = field(default_factory=set[str])

    def __call__(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.tell(text)


def _select(watch: Watch, followed: Sequence[Run], repository: Repository, once: _Once) -> list[Run]:
    """The runs to follow. What stands against one is an error at the start, and said once later."""
    chosen, refused = choose(_found(watch, once), watch.workload, followed)
    selected = list(followed)
    for run in chosen[len(followed) :]:
        why = _foreign(watch, run, repository)
        if why is None:
            selected.append(run)
        else:
            refused.append(why)
    if refused and not followed:
        raise ReplicatorError("; ".join(refused), hint=_REMEDY)
    for why in refused:
        once(f"not followed: {why}")
    return selected


def _found(watch: Watch, once: _Once) -> list[Run]:
    try:
        return find_runs(watch.path.absolute())
    except ReplicatorError as error:
        if watch.once:
            raise
        once(str(error))
        return []


def _begin(watch: Watch, followed: Sequence[Run], repositories: Sequence[Repository], once: _Once) -> Service:
    for run in followed:
        for repository in repositories:
            open_for(repository, run.name, watch.writer)
        once(f"{run.root}: {run.layout} checkpoints, workload {run.name}")
    service = Service(_config(watch, followed))
    for url in latecomers(spool_of(watch), repositories):
        once(f"{url} gets NEW checkpoints only: others were shipped before; to ship all: --spool FOLDER (an empty one)")
    remember(spool_of(watch), repositories)
    return service


_REMEDY = "Watch each run's folder by itself, with --workload NAME."


def choose(found: Sequence[Run], workload: str | None, followed: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """(runs to follow, why others are not): those followed before, and each new one that has a name of its own."""
    known = {run.root: run for run in followed}
    chosen, refused = list(followed), list[str]()
    new = [run for run in found if run.root not in known]
    if workload is not None:
        if len(known) + len(new) > 1:
            roots = ", ".join(str(run.root) for run in [*followed, *new])
            return chosen, [f"--workload {workload} names one run, and there are several: {roots}"]
        return [*chosen, *(Run(run.root, workload, run.layout) for run in new)], []
    for run in new:
        same = [each for each in [*followed, *new] if each.name == run.name and each.root != run.root]
        if same:
            refused.append(f"{run.root} and {same[0].root} would both be workload {run.name}")
        else:
            chosen.append(run)
    return chosen, refused


@dataclass(slots=True)
class _Grown:
    """Whether the folder holds a run that is not followed yet. A folder that is a run itself is not searched again."""

    watch: Watch
    followed: Sequence[Run]
    once: _Once
    checked_at: float = 0.0

    def __call__(self) -> bool:
        path = self.watch.path.absolute()
        now = time.monotonic()
        if self.watch.workload or any(run.root == path for run in self.followed) or now - self.checked_at < _RUNS_S:
            return False
        self.checked_at = now
        names = {run.name for run in self.followed}
        return any(run.name not in names for run in _found(self.watch, self.once))


def _foreign(watch: Watch, run: Run, repository: Repository) -> str | None:
    """Why a run seems not to be the one whose checkpoints the repository holds under its name."""
    if watch.workload is not None or (spool_of(watch) / run.name).exists():
        return None
    view: LogView = repository.log(run.name).view()
    here = {(each.path.name, each.step) for each in find(run.root)}
    known = {(accepted.what.name, accepted.what.step) for accepted in view.accepted.values()}
    if not known or here & known:
        return None
    return (
        f"{repository.store.url} holds checkpoints of a workload {run.name} already, none of which is in {run.root} "
        f"(to go on with it all the same: --workload {run.name})"
    )


def _config(watch: Watch, runs: Sequence[Run]) -> ServiceConfig:
    where = spool_of(watch)
    where.mkdir(parents=True, exist_ok=True)
    names = [watch.writer, *(f"{watch.writer}-copy-{n}" for n in range(2, len(watch.urls) + 1))]
    admission = Admission(ignore=watch.ignore)
    return ServiceConfig(
        site=watch.writer, own=watch.writer, verify_own=False, quiet_s=watch.quiet_s,
        workloads=tuple(
            WatchedWorkload(
                name=run.name, path=str(run.root), admission=admission,
                code=str(watch.code.absolute()) if watch.code else None,
            )
            for run in runs
        ),
        destinations=tuple(Destination(name=n, url=u) for n, u in zip(names, watch.urls, strict=True)),
        spool=str(where), keys=str(watch.keys.folder) if watch.keys else None, status_file=str(where / "status.json"),
    )  # fmt: skip


def spool_of(watch: Watch) -> Path:
    """Beside the watched folder where hard links from there work, else in it."""
    path = watch.path.absolute()
    inside, beside = path / _SPOOL, path.parent / f"{_SPOOL}-{path.name}"
    if watch.spool is not None:
        return watch.spool.absolute()
    if inside.exists() or not path.exists():
        return inside if inside.exists() else beside
    linkable = path.stat().st_dev == path.parent.stat().st_dev and os.access(path.parent, os.W_OK)
    return beside if linkable else inside
