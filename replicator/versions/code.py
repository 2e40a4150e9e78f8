"""The code that a run is made of, as git knows it: commit, and what the working tree holds on top as a patch.

Nothing of the repository is touched: files that git does not know yet are added to a copy of its index. The patch
leaves out what looks like a secret and what is too large, and the notes name it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.versions.asking import TooMuch, Unknown, ask
from replicator.versions.document import Code, Submodule
from replicator.versions.secrets import holds_secret, named_for_secrets, scrub_url

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 10.0
MAX_PATCH_BYTES = 8 << 20
MAX_NEW_FILE_BYTES = 256 << 10
_MAX_NEW_FILES = 500
_NAMED = 5
_OURS = ".drstack-"
_TOOLS = {"__pycache__", ".ipynb_checkpoints", "mlruns", "mlartifacts", "wandb", "lightning_logs"}
"""What programs leave in a tree, and is no code."""
_FROM_OUTSIDE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX")


@dataclass(frozen=True, slots=True)
class Git:
    """git in one working tree; asks nobody, and runs nothing that the repository's configuration names."""

    folder: Path
    timeout_s: float = TIMEOUT_S
    environment: tuple[tuple[str, str], ...] = ()

    def ask(self, *arguments: str, stdin: bytes | None = None, fine: Sequence[int] = (0,)) -> bytes:
        inherited = {key: value for key, value in os.environ.items() if key not in _FROM_OUTSIDE}
        quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat", "LC_ALL": "C.UTF-8"}
        options = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--literal-pathspecs"]
        return ask(
            ["git", "-C", str(self.folder), *options, *arguments], timeout_s=self.timeout_s, stdin=stdin, fine=fine,
            env={**inherited, **quiet, **dict(self.environment)}, max_bytes=MAX_PATCH_BYTES,
        )  # fmt: skip

    def line(self, *arguments: str, fine: Sequence[int] = (0,)) -> str | None:
        """The answer without its newline; None if it is empty."""
        return self.ask(*arguments, fine=fine).decode(errors="replace").strip() or None


def repository_of(start: Path) -> Git:
    """The repository that `start` lies in. Unknown if there is none, or git will not read it."""
    folder = start if start.is_dir() else start.parent
    if not folder.is_dir():
        raise Unknown(f"{folder} is not there")
    top = Git(folder).line("rev-parse", "--show-toplevel")
    if top is None:
        raise Unknown(f"{folder} lies in no working tree of git")
    return Git(Path(top))


def gather_code(git: Git, outputs: Sequence[Path] = ()) -> tuple[Code, bytes | None]:
    """What git says of the tree, and the patch to keep. Files below `outputs` are no code. Unknown."""
    commit = git.line("rev-parse", "--verify", "HEAD^{commit}")
    remote = git.line("config", "--get", "remote.origin.url", fine=(0, 1))
    changed = _names(git.ask("diff", "--name-only", "-z", "--no-ext-diff", "--ignore-submodules=all", "HEAD"))
    notes: list[str] = []
    new = _new_files(git, outputs, notes)
    submodules = _submodules(git, notes)
    patch = None
    state = "none"
    if changed or new:
        try:
            patch, left_out = _patch(git, changed, new)
            notes += [f"left out, as it may hold a secret: {name}" for name in left_out]
            state = "partial" if left_out else "kept"
        except TooMuch:
            notes.append(f"the patch is larger than {MAX_PATCH_BYTES:,} bytes and is not kept: commit, or ignore files")
            state = "left out"
    code = Code(
        commit=commit or "", branch=git.line("symbolic-ref", "--short", "-q", "HEAD", fine=(0, 1)),
        dirty=bool(changed or new or any(each.dirty for each in submodules)),
        remote=scrub_url(remote) if remote else None, patch=state, notes=tuple(notes), submodules=tuple(submodules),
    )  # fmt: skip
    return code, patch


def _new_files(git: Git, outputs: Sequence[Path], notes: list[str]) -> list[str]:
    """Files that git does not know and does not ignore, as far as they may be code; `notes` gets the others."""
    roots = [os.path.realpath(each) for each in outputs]
    found: list[str] = []
    others: list[str] = []
    names = _names(git.ask("ls-files", "--others", "--exclude-standard", "-z"))
    roots += [os.path.realpath(git.folder / place) for place in _repositories(names)]
    for name in names:
        path = git.folder / name
        if any(part in _TOOLS or part.startswith(_OURS) for part in Path(name).parts):
            continue
        place = os.path.realpath(path)
        if any(place == root or place.startswith(root + os.sep) for root in roots):
            continue
        if named_for_secrets(name) or len(found) >= _MAX_NEW_FILES or not _is_small_text(path):
            others.append(name)
        else:
            found.append(name)
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        notes.append(f"files unknown to git that are not kept: {', '.join(others[:_NAMED])}{more}")
    return found


def _repositories(names: Sequence[str]) -> list[str]:
    """Folders among them that are repositories of checkpoints."""
    logs = {name.rpartition("/log/")[0] for name in names if "/log/" in name}
    return [place for place in logs if f"{place}/format.json" in names]


def _is_small_text(path: Path) -> bool:
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_NEW_FILE_BYTES:
            return False
        return b"\0" not in path.read_bytes()
    except OSError:
        return False


def _patch(git: Git, changed: Sequence[str], new: Sequence[str]) -> tuple[bytes | None, list[str]]:
    """(the patch, names of files that are left out of it). TooMuch."""
    with tempfile.TemporaryDirectory(prefix="drstack-patch-") as scratch:
        index = Path(scratch) / "index"
        there = git.folder / (git.line("rev-parse", "--git-path", "index") or "")
        if there.is_file():
            shutil.copy2(there, index)  # with its time, by which git tells what changed within the same second
        objects = git.folder / (git.line("rev-parse", "--git-path", "objects") or "")
        (Path(scratch) / "objects").mkdir()
        apart = Git(git.folder, git.timeout_s, (
            ("GIT_INDEX_FILE", str(index)), ("GIT_OBJECT_DIRECTORY", f"{scratch}/objects"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(objects)),
        ))  # fmt: skip
        if new:
            listed = b"".join(os.fsencode(name) + b"\0" for name in new)
            apart.ask("add", "-N", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=listed)
        whole = apart.ask(
            "diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
            "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=all", "HEAD",
        )  # fmt: skip
    kept: list[bytes] = []
    left_out: list[str] = []
    for part in _split(whole):
        name = _name_of(part, [*changed, *new])
        if named_for_secrets(name) or holds_secret(part.decode(errors="replace")):
            left_out.append(name)
        else:
            kept.append(part)
    return b"".join(kept) or None, left_out


def _split(patch: bytes) -> list[bytes]:
    """The patch of each file: content lines begin with a blank, + or -, so that this line is no content."""
    starts = [match.start() for match in re.finditer(rb"^diff --git ", patch, re.MULTILINE)]
    return [patch[start:end] for start, end in zip(starts, [*starts[1:], len(patch)], strict=True)]


def _name_of(part: bytes, names: Sequence[str]) -> str:
    first = part.split(b"\n", 1)[0].decode(errors="replace")
    return max((name for name in names if first.endswith(f" b/{name}")), key=len, default=first.rpartition(" b/")[2])


def _submodules(git: Git, notes: list[str]) -> list[Submodule]:
    if not (git.folder / ".gitmodules").is_file():
        return []
    found: list[Submodule] = []
    try:
        lines = git.ask("submodule", "status", "--recursive").decode(errors="replace").splitlines()
    except Unknown as why:
        notes.append(f"submodules are unknown: {why}")
        return []
    for line in lines:
        commit, path = line[1:].split(" ")[:2]
        inside = Git(git.folder / path)
        dirty = line[0] == "+"
        if line[0] != "-" and inside.ask("status", "--porcelain", "--untracked-files=no"):
            dirty = True
            notes.append(f"changes within submodule {path} are not kept: commit them there")
        found.append(Submodule(path=path, commit=commit, dirty=dirty))
    return found


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]
