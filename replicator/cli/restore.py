"""`replicator restore`: bring a checkpoint back, every byte checked before the folder appears."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def restore(
    selector: Annotated[str, typer.Argument(help="latest, step:N or TERM.HEIGHT, as `list` shows them.")],
    repo: Repo,
    to: Annotated[Path, typer.Option("--to", help="Folder to write; absent or empty.")],
    workload: Workload = None,
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Restore a checkpoint, and say how its trainer resumes from it.

    Holds a pin while it reads where the repository can be written, and says so if not.
    """
    from replicator.layouts import resume_command
    from replicator.repository.pinning import pinned
    from replicator.repository.restore import restore as bring_back
    from replicator.repository.select import select

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    accepted = select(repository, name, selector)
    with pinned(repository, name, accepted, reason=f"restore to {to.absolute()}") as held:
        if not held:
            sys.stderr.write("warning: no pin is held; a keeper may drop this checkpoint while it is read\n")
        done = bring_back(repository, accepted, to, progress=_progress(accepted.what.size_bytes))
    _note(repository, accepted)
    what = accepted.what
    layout, resume = resume_command(to.absolute(), what.name, what.step)
    document: dict[str, object] = {
        "commit": str(what.id()), "step": what.step, "to": str(to), "files": done.files,
        "size_bytes": done.size_bytes, "already": done.already, "pinned": held,
        "layout": layout, "resume": resume,
    }  # fmt: skip
    text = f"step {what.step} ({what.id()}) is in {to}: {done.files} files, {done.size_bytes:,} bytes, every digest checked"
    text += f"\nresume ({layout}): {resume}"
    say(document, text, as_json=json)


def _note(repository: Repository, accepted: Accepted) -> None:
    """Leave the recipient's word that it could restore; the repository is ready from then on."""
    from replicator.errors import KeyAbsent, StoreError
    from replicator.repository.readiness import note_restore

    try:
        note_restore(repository, accepted)
    except (StoreError, KeyAbsent) as error:
        sys.stderr.write(f"warning: that this recipient could restore is not noted in the repository: {error}\n")


def _progress(total: int):  # noqa: ANN202
    from rich.console import Console
    from rich.progress import Progress

    if not sys.stderr.isatty():
        return None
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("restoring", total=total)
    bar.start()
    lock = threading.Lock()

    def advance(count: int) -> None:
        with lock:
            bar.advance(task, count)
            if bar.finished:
                bar.stop()

    return advance
