"""Resuming in one line: the newest recovery point, in the trainer's folder, whatever is left there.

Newest is by (term, height), never by step or clock (DESIGN, rule 14). A folder of the trainer's counts only if it is a
commit's, file for file, or if our spool still holds it on its way, with a number above every commit: a save that was
cut off, or one that a dead term left, is never resumed because its step is greater.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import NothingToRestore, ReplicatorError
from replicator.layouts import inspect
from replicator.model import CommitId
from replicator.repository.pinning import as_it_is_now, pinned
from replicator.repository.restore import holds, restore
from replicator.repository.select import select
from replicator.service.intake import sign
from replicator.train import ranks
from replicator.train.shipper import SPOOL_NAME, pending_signatures
from replicator.train.targets import log, open_repositories, say_if_plain, urls_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.service.spool import Entry

_TOLD = "DRSTACK_RESUME"


def resume(
    into: str | os.PathLike[str],
    repo: str | Sequence[str],
    *,
    workload: str | None = None,
    spool: str | os.PathLike[str] | None = None,
) -> str | None:
    """The path of the newest recovery point, brought to the trainer's folder `into` if need be; None if there is none.

    `workload` is the folder's name by default, as for the callbacks. Of several repositories the one with the newest
    checkpoint is asked; one that is away is passed over while another answers. Where there are several ranks, rank 0
    chooses; call it when they have joined. What stands in the way under the checkpoint's name is moved aside, never
    deleted. StoreError, DataCorrupt, RepositoryUnknown: a run is not begun anew because its store is away.
    """
    folder = Path(into).absolute()
    name = workload or folder.name
    urls = urls_of(repo)
    held = Path(spool) if spool is not None else folder / SPOOL_NAME
    choice = _agreed(folder, urls, name, held)
    if choice is not None and "local" in choice and _is_elsewhere(folder / choice["local"]):
        choice = _agreed(folder, urls, name, None, choice["local"])
    if choice is None:
        return None
    if "local" in choice:
        path = folder / choice["local"]
        log.warning("resuming from %s, which is on its way to the repository", path)
        return str(path)
    repository = open_repositories([choice["url"]])[0]
    accepted = select(repository, name, choice["commit"])
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        path = _bring(repository, accepted, folder)
    return str(path)


def _is_elsewhere(path: Path) -> bool:
    """Whether some rank cannot see what lies on rank 0's node; all get the same answer."""
    return bool(ranks.greatest(int(not path.exists()), ranks.gloo_group()))


def _agreed(
    folder: Path, urls: tuple[str, ...], workload: str, spool: Path | None, unshared: str | None = None
) -> dict[str, str] | None:
    def decide() -> str:
        choice = _choose(folder, urls, workload, spool)
        if unshared is not None:
            path = folder / unshared
            log.warning("%s is not shipped yet, and on one node only: not resuming from it", path)
            if choice is None:
                raise ReplicatorError(
                    f"{path} is on one node only, and no repository has a checkpoint of {workload} yet",
                    hint=f"Ship it from there: replicator push {path} --repo {urls[0]} --workload {workload} --step N",
                )
        return json.dumps(choice)

    if ranks.grouped():
        return json.loads(ranks.rank0_decides(decide, ranks.gloo_group()))
    key = json.dumps([str(folder), urls, workload])
    told = json.loads(os.environ.get(_TOLD, "{}"))
    if ranks.launched_ranks() > 1:
        if key in told:
            return told[key]
        raise ReplicatorError(
            f"{ranks.launched_ranks()} ranks were launched and have not joined: each might resume another checkpoint",
            hint="Call resume after torch.distributed.init_process_group(), or after TrainingArguments(…) is made.",
        )
    choice = json.loads(decide())
    os.environ[_TOLD] = json.dumps({**told, key: choice})  # for ranks that this process launches, as Lightning does
    return choice


def _choose(folder: Path, urls: tuple[str, ...], workload: str, spool: Path | None) -> dict[str, str] | None:
    newest: tuple[str, Accepted] | None = None
    above = CommitId(0, 0)
    writable: set[int] = set()
    trouble: ReplicatorError | None = None
    for url in urls:
        try:
            repository = open_repositories([url])[0]
            say_if_plain(repository)
            view = repository.log(workload).view()
            above = max([above, *view.accepted])
            writable |= {view.term} if view.writable else set()
            found = select(repository, workload, "latest")
            if newest is None or found.what.id() > newest[1].what.id():
                newest = (url, found)
        except NothingToRestore:
            continue
        except ReplicatorError as error:
            log.error("%s: %s", url, error)
            trouble = error
    held = {} if spool is None else pending_signatures(spool, workload)
    local = _on_its_way(folder, held, above, writable)
    if local is not None:
        return {"local": local.name}
    if newest is not None:
        return {"url": newest[0], "commit": str(newest[1].what.id())}
    if trouble is not None:
        raise trouble
    return None


def _on_its_way(folder: Path, entries: dict[str, Entry], above: CommitId, terms: set[int]) -> Path | None:
    """The trainer's own copy of the newest sound checkpoint in the spool, if every repository is behind it."""
    if not entries or not folder.is_dir():
        return None
    found: list[tuple[CommitId, Path]] = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_symlink():
            continue
        candidate = inspect(path)
        with contextlib.suppress(FileNotFoundError):
            entry = entries.get(sign(candidate)) if candidate.complete else None
            if entry is not None and not entry.push.findings and entry.push.term in terms:
                found.append((CommitId(entry.push.term, entry.push.height), path))
    newest = max(found, default=None)
    return newest[1] if newest is not None and newest[0] > above else None


def _bring(repository: Repository, accepted: Accepted, folder: Path) -> Path:
    """The checkpoint under the trainer's own name for it. One file comes back as a file."""
    name = accepted.what.name
    if not name or name != Path(name).name or name in (".", ".."):
        raise ReplicatorError(f"{accepted.what.id()} is called {name!r}, which is no name in {folder}")
    target = folder / name
    manifest = repository.manifest(accepted.where.manifest)
    single = [file.path for file in manifest.files] == [name]
    staging = folder / f".{name}.restoring"
    if single:
        if target.is_file() and _same_file(target, manifest.files[0].digest):
            return target
    elif holds(target, manifest):
        return target
    log.warning(
        "restoring step %d (%s, %s bytes) to %s",
        accepted.what.step, accepted.what.id(), f"{accepted.what.size_bytes:,}", target,
    )  # fmt: skip
    if staging.exists():
        shutil.rmtree(staging)
    with pinned(repository, accepted.what.workload, accepted, reason=f"resume in {folder}") as held:
        if not held:
            log.warning("no pin is held; a keeper may drop this checkpoint while it is read")
        accepted = as_it_is_now(repository, accepted.what.workload, accepted)
        restore(repository, accepted, staging if single else _clear(target))
    if single:
        (staging / name).replace(_clear(target))
        staging.rmdir()
    return target


def _same_file(path: Path, digest: str) -> bool:
    with path.open("rb") as file:
        whole = blake3()
        while chunk := file.read(1 << 22):
            whole.update(chunk)
    return whole.hexdigest() == digest


def _clear(target: Path) -> Path:
    """Make room under a name: what is there is neither a commit's nor on its way."""
    if target.exists() or target.is_symlink():
        aside = target.with_name(f".{target.name}.replaced-{secrets.token_hex(4)}")
        target.rename(aside)
        log.warning("%s was not what its commit says; it is kept as %s", target, aside.name)
    return target


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """One process at a time: the ranks of a node bring the checkpoint once, and the others find it there."""
    lock = os.open(folder / ".drstack-resume.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
