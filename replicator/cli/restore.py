"""`replicator restore`: bring a checkpoint back, every byte checked before the folder appears; say if it fits here."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Repo, Workload, only_workload, open_repository, say

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.versions.explain import Explanation

_GATHER_S = 30.0


def restore(
    repo: Repo,
    selector: Annotated[str, typer.Argument(help="latest, step:N or TERM.HEIGHT, as `list` shows them.")] = "latest",
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write; absent or empty.")] = None,
    workload: Workload = None,
    with_code: Annotated[
        Path | None,
        typer.Option(
            "--with-code", help="Check out its code: a clean clone, or an absent folder (from the clone here)."
        ),
    ] = None,
    with_point: Annotated[
        Path | None,
        typer.Option(
            "--with-point", help="Folder for what was kept at the same point: dumps, artefacts; absent or empty."
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why --anyway.")] = None,
    *,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="What it was made with, what differs here, and whether it fits; refuse if not."),
    ] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Restore what --explain says cannot run here.")] = False,
    json: Json = False,
) -> None:
    """Restore a checkpoint, and say how its trainer resumes from it.

    Holds a pin while it reads where the repository can be written, and says so if not.
    """
    from replicator.errors import ReplicatorError
    from replicator.repository.select import select

    if to is None and with_code is None and with_point is None and not explain:
        raise ReplicatorError("restore to where?", hint="Give --to FOLDER, or --explain to look only.")
    if anyway and not (explain and reason):
        raise ReplicatorError("--anyway overrides what --explain refuses", hint="Give --explain and --reason TEXT too.")
    repository = open_repository(repo)
    name = only_workload(repository, workload)
    accepted = select(repository, name, selector)
    document: dict[str, object] = {"commit": str(accepted.what.id()), "step": accepted.what.step}
    lines: list[str] = []
    if explain:
        explanation = _explain(repository, accepted)
        document["explain"] = explanation.document()
        lines.append(f"step {accepted.what.step} ({accepted.what.id()}) was made with:\n{explanation.text()}")
        if explanation.verdict.blocking and not anyway:
            say(document, "\n".join(lines), as_json=json)
            explanation.require_fit()
        document["anyway"] = reason if explanation.verdict.blocking else None
    if to is not None:
        lines.append(_bring(repository, accepted, to, document))
    if with_code is not None:
        lines.append(_code(repository, accepted, with_code, document))
    if with_point is not None:
        lines.append(_point(repository, accepted, with_point, document))
    say(document, "\n".join(lines), as_json=json)


def _bring(repository: Repository, accepted: Accepted, to: Path, document: dict[str, object]) -> str:
    from replicator.layouts import resume_command
    from replicator.repository.pinning import pinned
    from replicator.repository.restore import restore as bring_back

    what = accepted.what
    with pinned(repository, what.workload, accepted, reason=f"restore to {to.absolute()}") as held:
        if not held:
            sys.stderr.write("warning: no pin is held; a keeper may drop this checkpoint while it is read\n")
        done = bring_back(repository, accepted, to, progress=_progress(what.size_bytes))
    layout, resume = resume_command(to.absolute(), what.name, what.step)
    document |= {
        "to": str(to), "files": done.files, "size_bytes": done.size_bytes, "already": done.already, "pinned": held,
        "layout": layout, "resume": resume,
    }  # fmt: skip
    text = f"step {what.step} ({what.id()}) is in {to}: {done.files} files, {done.size_bytes:,} bytes, every digest checked"
    return f"{text}\nresume ({layout}): {resume}"


def _explain(repository: Repository, accepted: Accepted) -> Explanation:
    from replicator.versions.explain import explain
    from replicator.versions.gather import Gathering, Source

    here = Gathering(Source.of_this_process("launcher", Path.cwd()))
    here.wait(_GATHER_S)
    return explain(repository, accepted, here.now().document)


def _code(repository: Repository, accepted: Accepted, folder: Path, document: dict[str, object]) -> str:
    from replicator.versions.checkout import check_out
    from replicator.versions.explain import versions_of

    done = check_out(repository, accepted, versions_of(repository, accepted), folder, near=Path.cwd())
    document["code"] = {
        "folder": str(done.folder), "commit": done.commit, "patched": done.patched, "missing": list(done.missing)
    }  # fmt: skip
    text = f"{folder} is at {done.commit}" + (", with the changes that the tree had" if done.patched else "")
    return "\n".join([text, *(f"  NOT there: {each}" for each in done.missing)])


def _point(repository: Repository, accepted: Accepted, folder: Path, document: dict[str, object]) -> str:
    from replicator.consistency.restore import restore_point

    done = restore_point(repository, accepted, folder)
    document["point"] = {"folder": str(folder), "files": done.files, "size_bytes": done.size_bytes}
    return f"what was kept at the point is in {folder}: {done.files} files, {done.size_bytes:,} bytes"


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
