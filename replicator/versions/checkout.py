"""Bringing the code of a checkpoint back: its commit, checked out where the repository is at hand, and the kept patch.

Invariant: nothing of anybody's work is lost. A folder with changes is refused; a patch that does not apply leaves the
folder as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import DestinationOccupied, NothingToRestore, ReplicatorError
from replicator.repository.beside import read_beside
from replicator.versions.asking import Unknown
from replicator.versions.code import Git, repository_of
from replicator.versions.document import PATCH

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.versions.document import Code, Document

_FETCH_S = 120.0


@dataclass(frozen=True, slots=True)
class CheckedOut:
    folder: Path
    commit: str
    patched: bool
    missing: tuple[str, ...]
    """What of the code is not there: what the patch left out, submodules that could not be brought."""


def check_out(repository: Repository, accepted: Accepted, then: Document, folder: Path, *, near: Path) -> CheckedOut:
    """Bring `folder` to the code of the commit: a clean working tree, or a new worktree of the repository at `near`.

    NothingToRestore where no code is known or the commit cannot be had; DestinationOccupied.
    """
    code = then.code
    if code is None:
        why = then.unknown.get("code", "unknown")
        raise NothingToRestore(f"{accepted.what.id()} does not say which code made it: {why}")
    patch = read_beside(repository, accepted, PATCH) if code.patch in ("kept", "partial") else None
    try:
        return _check_out(code, patch, folder, near)
    except Unknown as why:
        raise ReplicatorError(f"{folder}: {why}", hint=f"By hand: git checkout {code.commit}") from why


def _check_out(code: Code, patch: bytes | None, folder: Path, near: Path) -> CheckedOut:
    if folder.is_dir() and any(folder.iterdir()):
        git = _clean(folder)
        _require_commit(git, code)
        before = git.line("symbolic-ref", "-q", "--short", "HEAD", fine=(0, 1)) or git.line("rev-parse", "HEAD") or ""
        _slow(git).ask("checkout", "--quiet", "--detach", code.commit)
        made = False
    else:
        git = _near(near, folder)
        _require_commit(git, code)
        before, made = "", True
        _slow(git).ask("worktree", "add", "--quiet", "--detach", str(folder.absolute()), code.commit)
    inside = Git(folder)
    missing = _bring_submodules(_slow(inside), code)
    if patch is not None:
        try:
            _slow(inside).ask("apply", "--binary", "--whitespace=nowarn", "-", stdin=patch)
        except Unknown as why:
            _undo(git, folder, before, made=made)
            raise ReplicatorError(
                f"the kept patch does not apply to {code.commit}: {why}", hint=f"{folder} is as it was before."
            ) from why
    missing += [note for note in code.notes if code.patch in ("partial", "left out") or "submodule" in note]
    return CheckedOut(folder, code.commit, patch is not None, tuple(missing))


def _clean(folder: Path) -> Git:
    """The working tree whose top `folder` is. DestinationOccupied if it holds work of its own."""
    try:
        git = repository_of(folder)
    except Unknown as why:
        raise DestinationOccupied(
            f"{folder} holds something else: {why}", hint="Name a clone of the code's repository, or an absent folder."
        ) from why
    if git.folder.resolve() != folder.resolve():
        raise DestinationOccupied(f"{folder} is not the top of a working tree", hint=f"--with-code {git.folder}")
    if git.ask("status", "--porcelain", "--ignore-submodules=none"):
        raise DestinationOccupied(
            f"{folder} holds changes that nobody has committed", hint="Commit or stash them, or name an absent folder."
        )
    return git


def _near(near: Path, folder: Path) -> Git:
    try:
        return repository_of(near)
    except Unknown as why:
        raise NothingToRestore(
            f"{folder} is no clone, and {near} lies in none: {why}",
            hint="Clone the code's repository and name that folder, or run this inside of a clone.",
        ) from why


def _require_commit(git: Git, code: Code) -> None:
    """The commit is there, or the remote gives it."""
    if not git.ask("rev-parse", "--quiet", "--verify", f"{code.commit}^{{commit}}", fine=(0, 1, 128)):
        _fetch(git, code)


def _fetch(git: Git, code: Code) -> None:
    try:
        Git(git.folder, _FETCH_S).ask("fetch", "--quiet", "origin", code.commit)
        git.ask("cat-file", "-e", f"{code.commit}^{{commit}}")
    except Unknown as why:
        where = f"; it was made from {code.remote}" if code.remote else ""
        raise NothingToRestore(
            f"{git.folder} does not have commit {code.commit}, and its origin gave none ({why}){where}",
            hint="Fetch it from a clone that has it.",
        ) from why


def _bring_submodules(git: Git, code: Code) -> list[str]:
    if not code.submodules:
        return []
    try:
        git.ask("submodule", "update", "--quiet", "--init", "--recursive")
    except Unknown as why:
        return [f"submodules could not be brought: {why}"]
    return []


def _undo(git: Git, folder: Path, before: str, *, made: bool) -> None:
    if made:
        git.ask("worktree", "remove", "--force", str(folder.absolute()))
    else:
        git.ask("checkout", "--quiet", before)


def _slow(git: Git) -> Git:
    return Git(git.folder, _FETCH_S)
