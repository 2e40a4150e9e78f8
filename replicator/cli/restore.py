"""`replicator restore`: bring a checkpoint back, every byte checked before the folder appears."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Json, Repo, Workload, only_workload, open_repository, say


def restore(
    selector: Annotated[str, typer.Argument(help="latest, step:N or TERM.HEIGHT, as `list` shows them.")],
    repo: Repo,
    to: Annotated[Path, typer.Option("--to", help="Folder to write; absent or empty.")],
    workload: Workload = None,
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

    repository = open_repository(repo)
    name = only_workload(repository, workload)
    accepted = select(repository, name, selector)
    with pinned(repository, name, accepted, reason=f"restore to {to.absolute()}") as held:
        if not held:
            sys.stderr.write("warning: no pin is held; a keeper may drop this checkpoint while it is read\n")
        done = bring_back(repository, accepted, to, progress=_progress(accepted.what.size_bytes))
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
