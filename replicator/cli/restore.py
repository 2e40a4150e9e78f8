"""`replicator restore`: bring a checkpoint back, every byte checked before the folder appears."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Workload, say

if TYPE_CHECKING:
    from replicator.repository.ladder import Ladder
    from replicator.repository.restore import Restored
    from replicator.repository.survey import Copies


def restore(
    selector: Annotated[
        str,
        typer.Argument(
            help="latest, TERM.HEIGHT, step:N, step:<=N, a time (2026-11-20T03:00, UTC), '2h ago', pin:NAME."
        ),
    ],
    repo: Annotated[
        list[str],
        typer.Option("--repo", help="Repository URL; repeat it in the order in which they are asked: hot, near, far."),
    ],
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write; absent or empty.")] = None,
    workload: Workload = None,
    keys: Keys = None,
    files: Annotated[list[str] | None, typer.Option("--files", help="Only files like this glob; repeatable.")] = None,
    tensors: Annotated[
        list[str] | None,
        typer.Option("--tensor", help="Only tensors like this glob, as tensors.safetensors; repeatable."),
    ] = None,
    ranks: Annotated[
        str | None, typer.Option("--ranks", help="Only what these ranks need: 0,3 (same world size).")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="Longest wait for an answer of a repository.")] = "60s",
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder that keeps fetched blocks for the next time.")
    ] = None,
    cache_size: Annotated[str, typer.Option("--cache-size", help="What --cache may hold.")] = "50GB",
    salvage: Annotated[
        Path | None, typer.Option("--salvage", help="Instead of --to: all that can be had of a damaged checkpoint.")
    ] = None,
    *,
    or_older: Annotated[
        bool, typer.Option("--or-older", help="Take an older one where this one cannot be had.")
    ] = False,
    json: Json = False,
) -> None:
    """Restore a checkpoint, or a part of it, and say how its trainer resumes from it.

    Damaged blocks come from the next repository that has them. Holds a pin while it reads where the repository can be
    written, and says so if not. Killed, the same command goes on where it was.
    """
    from replicator.cli.amounts import seconds, size_bytes
    from replicator.cli.rungs import look, sources
    from replicator.errors import DataCorrupt, ReplicatorError, StoreError
    from replicator.repository.edge import EdgeCache
    from replicator.repository.ladder import Ladder
    from replicator.repository.select import parse
    from replicator.repository.survey import choose

    if (to is None) == (salvage is None):
        raise ReplicatorError("either --to or --salvage says where to write", hint="Name a folder with --to FOLDER.")
    found = look(repo, workload, seconds(timeout, "--timeout"), keys)
    wanted = parse(selector, now=found.seen[0].repository.clock())
    store = None if cache is None else EdgeCache(cache, size_bytes(cache_size, "--cache-size"))
    passed_over: list[dict[str, str]] = []
    chosen = choose(found, wanted)
    for copies in chosen:
        with _pinned(copies, to or salvage) as held:
            try:
                ladder = Ladder(copies, cache=store)
                if salvage is not None:
                    _salvage(ladder, salvage, as_json=json)
                    return
                assert to is not None  # noqa: S101 - checked above
                done = _bring(ladder, to, files, tensors, ranks)
            except (DataCorrupt, StoreError) as error:
                if not or_older or copies is chosen[-1]:
                    raise
                sys.stderr.write(f"warning: {copies[0][1].what.id()} cannot be had, an older one is taken: {error}\n")
                passed_over.append({"commit": str(copies[0][1].what.id()), "why": str(error)})
                continue
        _note(ladder)
        document, text = _told(ladder, done, to, part=bool(files or tensors or ranks))
        where, lines = sources(ladder, store)
        say(
            {**document, "pinned": held, "passed_over": passed_over, "away": found.away, **where},
            f"{text}\n{lines}".rstrip(),
            as_json=json,
        )
        return


def _note(ladder: Ladder) -> None:
    """Leave the recipient's word that it could restore in each repository that gave bytes; it is ready from then on."""
    from replicator.errors import KeyAbsent, StoreError
    from replicator.repository.readiness import note_restore

    for rung in ladder.rungs:
        if rung.read_bytes:
            try:
                note_restore(rung.repository, rung.accepted)
            except (StoreError, KeyAbsent) as error:
                sys.stderr.write(
                    f"warning: that this recipient could restore is not noted in {rung.repository.store.url}: {error}\n"
                )


@contextlib.contextmanager
def _pinned(copies: Copies, to: Path | None):  # noqa: ANN202
    from replicator.repository.pinning import pinned

    with contextlib.ExitStack() as pins:
        held = [
            pins.enter_context(pinned(repository, accepted.what.workload, accepted, reason=f"restore to {to}"))
            for repository, accepted in copies
        ]
        if not all(held):
            sys.stderr.write("warning: no pin is held; a keeper may drop this checkpoint while it is read\n")
        yield all(held)


def _bring(ladder: Ladder, to: Path, files: list[str] | None, tensors: list[str] | None, ranks: str | None) -> Restored:
    from replicator.cli.progress import progress
    from replicator.errors import PartRefused
    from replicator.repository.restore import restore_from
    from replicator.repository.selection import files_like, files_of_ranks, tensors_like
    from replicator.repository.tensors import restore_tensors

    if sum(each is not None and each != [] for each in (files, tensors, ranks)) > 1:
        raise PartRefused("--files, --tensor and --ranks exclude each other", hint="Restore one part after the other.")
    manifest = ladder.manifest
    if tensors:
        entries = tensors_like(manifest, tensors)
        with progress("restoring", sum(entry.length for entry in entries)) as advance:
            return restore_tensors(ladder, entries, to, advance)
    only = files_like(manifest, files) if files else files_of_ranks(manifest, _numbers(ranks)) if ranks else None
    total = sum(file.size_bytes for file in manifest.files if only is None or file.path in only)
    with progress("restoring", total) as advance:
        return restore_from(ladder, to, only=only, progress=advance)


def _numbers(text: str) -> set[int]:
    from replicator.errors import PartRefused

    try:
        return {int(part) for part in text.split(",")}
    except ValueError as error:
        raise PartRefused(f"--ranks: {text!r} is no list of numbers", hint="Write it as --ranks 0,3.") from error


def _told(ladder: Ladder, done: Restored, to: Path, *, part: bool) -> tuple[dict[str, object], str]:
    from replicator.layouts import resume_command

    what = ladder.what
    layout, resume = (None, None) if part else resume_command(to.absolute(), what.name, what.step)
    document: dict[str, object] = {
        "commit": str(what.id()), "step": what.step, "to": str(to), "files": done.files, "size_bytes": done.size_bytes,
        "already": done.already, "part": part, "layout": layout, "resume": resume,
    }  # fmt: skip
    kind = "a part of step" if part else "step"
    text = f"{kind} {what.step} ({what.id()}) is in {to}: {done.files} files, {done.size_bytes:,} bytes, every digest checked"
    return document, text if part else f"{text}\nresume ({layout}): {resume}"


def _salvage(ladder: Ladder, folder: Path, *, as_json: bool) -> None:
    from replicator.cli.progress import progress
    from replicator.repository.salvage import salvage

    with progress("salvaging", ladder.what.size_bytes) as advance:
        told = salvage(ladder, folder, progress=advance)
    lines = [
        f"{len(told.files)} of {len(ladder.manifest.files)} files and {len(told.tensors)} tensors of others in {folder}"
    ]
    lines += [f"  lost  {each.path}: bytes {', '.join(f'{a}-{b}' for a, b in each.lost)}" for each in told.damaged]
    lines += [f"  lost  {each.path}: tensor {name}" for each in told.damaged for name in each.lost_tensors]
    say(told.document(), "\n".join(lines), as_json=as_json)
