"""Which runs a folder holds, and what they are called.

A run is a folder in which a layout finds checkpoints. The folder that is watched may be one, or hold several; below a
run nothing is looked for.

Invariant: a name is a function of the run's path alone, so that it stays the same after a restart, and it is one that
an environment file accepts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError
from replicator.layouts.place import UNFINISHED
from replicator.layouts.registry import find
from replicator.layouts.steps import STRONG

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate

MAX_DEPTH = 5
MAX_FOLDERS = 5000
MAX_NAME_CHARS = 63
GENERIC = re.compile(
    r"(checkpoint|ckpt|chkpt|save|saved|output|out|result|weight|model|run|log|experiment|exp|artifact|job)s?"
    r"|(lightning|tb|nemo)_(logs|experiments)|version_[0-9]+|tmp_trainer|trainer_output|default|data|mnt|tmp|home"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}([_T-][0-9:.-]+)?|[0-9]+",
    re.ASCII | re.IGNORECASE,
)
"""Names of folders that say what is in them, not which run it is."""


@dataclass(frozen=True, slots=True)
class Run:
    root: Path
    name: str
    layout: str
    """Of its newest checkpoint."""


def find_runs(path: Path) -> list[Run]:
    """The runs in a folder: itself, or those of its subfolders, by path. None while it holds no checkpoint.

    ReplicatorError if the folder cannot be read; subfolders that cannot are passed over.
    """
    level, seen = [path], 0
    runs: list[Run] = []
    for _ in range(MAX_DEPTH):
        below: list[Path] = []
        for folder in level:
            seen += 1
            found = _find(folder, is_top=folder == path) if seen <= MAX_FOLDERS else []
            named = [each for each in found if folder == path or (each.step is not None and each.layout != "quiet")]
            if named:
                runs.append(Run(folder, workload_name(folder), named[-1].layout))
            else:
                below += _folders(folder)
        if path in {run.root for run in runs}:
            break
        level = below
    return sorted(runs, key=lambda run: run.root)


def workload_name(root: Path) -> str:
    """The name of the nearest folder, upwards, that is called after the run; `workload` if all are generic."""
    for folder in [root.absolute(), *root.absolute().parents]:
        name = sanitised(folder.name)
        if name and not GENERIC.fullmatch(folder.name):
            return name
    return sanitised(root.absolute().name) or "workload"


def sanitised(name: str) -> str:
    """Lower-case letters, digits and dashes, as an environment file names workloads; may be empty."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain[:MAX_NAME_CHARS].rstrip("-")


def _find(folder: Path, *, is_top: bool) -> list[Candidate]:
    try:
        return find(folder)
    except OSError as error:
        if not is_top:
            return []
        raise ReplicatorError(f"{folder} cannot be read: {error.strerror}", hint="Mend its permissions.") from error


def _folders(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [each for each in entries if _worth_it(each)]


def _worth_it(path: Path) -> bool:
    hidden = path.name.startswith(".") or UNFINISHED.fullmatch(path.name) or STRONG.match(path.name)
    return not hidden and path.is_dir() and not path.is_symlink()
