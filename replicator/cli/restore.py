"""`replicator restore`: bring a checkpoint back, every byte checked before the folder appears."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Workload, say

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.ladder import Ladder
    from replicator.repository.repository import Repository
    from replicator.repository.restore import Restored
    from replicator.repository.survey import Copies
    from replicator.versions.explain import Explanation

_GATHER_S = 30.0


def restore(
    repo: Annotated[
        list[str] | None,
        typer.Option("--repo", help="Repository URL; repeat it in the order in which they are asked: hot, near, far."),
    ] = None,
    selector: Annotated[
        str,
        typer.Argument(
            help="latest, TERM.HEIGHT, step:N, step:<=N, a time (2026-11-20T03:00, UTC), '2h ago', pin:NAME."
        ),
    ] = "latest",
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
    tiers: Annotated[
        Path | None,
        typer.Option("--tiers", help="JSON file of the site's tiers: asked hottest first, before any --repo."),
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="Longest wait for an answer of a repository.")] = "60s",
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder that keeps fetched blocks for the next time.")
    ] = None,
    cache_size: Annotated[str, typer.Option("--cache-size", help="What --cache may hold.")] = "50GB",
    salvage: Annotated[
        Path | None, typer.Option("--salvage", help="Instead of --to: all that can be had of a damaged checkpoint.")
    ] = None,
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
    from replicator.heap import keep_freed_blocks
    from replicator.repository.edge import EdgeCache
    from replicator.repository.ladder import Ladder
    from replicator.repository.select import parse
    from replicator.repository.survey import choose

    if salvage is not None and any((to, with_code, with_point, explain)):
        raise ReplicatorError("--salvage brings what it can and nothing else", hint="Give it with --repo alone.")
    if not any((to, salvage, with_code, with_point, explain)):
        raise ReplicatorError("restore to where?", hint="Give --to FOLDER, or --explain to look only.")
    if anyway and not (explain and reason):
        raise ReplicatorError("--anyway overrides what --explain refuses", hint="Give --explain and --reason TEXT too.")
    keep_freed_blocks()
    found = look(_asked(tiers, repo), workload, seconds(timeout, "--timeout"), keys)
    wanted = parse(selector, now=found.seen[0].repository.clock())
    store = None if cache is None else EdgeCache(cache, size_bytes(cache_size, "--cache-size"))
    passed_over: list[dict[str, str]] = []
    chosen = choose(found, wanted, best_only=not or_older)
    for copies in chosen:
        document, lines = _made_with(copies, explain=explain, anyway=reason if anyway else None, as_json=json)
        with _pinned(copies, to or salvage or with_code or with_point) as (held, now):
            try:
                ladder = Ladder(now, cache=store)
                if salvage is not None:
                    _salvage(ladder, salvage, as_json=json)
                    return
                if to is not None:
                    done = _bring(ladder, to, files, tensors, ranks)
                    document |= _told(ladder, done, to, lines, part=bool(files or tensors or ranks))
                lines += _along(*now[0], with_code, with_point, document)
            except (DataCorrupt, StoreError) as error:
                if not or_older or copies is chosen[-1]:
                    raise
                sys.stderr.write(f"warning: {copies[0][1].what.id()} cannot be had, an older one is taken: {error}\n")
                passed_over.append({"commit": str(copies[0][1].what.id()), "why": str(error)})
                continue
        _note(ladder)
        where, told = sources(ladder, store)
        document |= {"pinned": held, "passed_over": passed_over, "away": found.away, **where}
        say(document, "\n".join(each for each in (*lines, told) if each), as_json=json)
        return


def _asked(tiers: Path | None, repo: list[str] | None) -> list[str]:
    from replicator.errors import ReplicatorError
    from replicator.retention.tiers import read_tiers

    urls = [each.url for each in read_tiers(tiers)] if tiers is not None else []
    urls += [url for url in repo or () if url not in urls]
    if not urls:
        raise ReplicatorError("restore from where?", hint="Give --repo URL, or --tiers FILE.")
    return urls


def _made_with(
    copies: Copies, *, explain: bool, anyway: str | None, as_json: bool
) -> tuple[dict[str, object], list[str]]:
    """The document and lines to begin with. DoesNotFit where the work cannot run here, unless `anyway` says why."""
    what = copies[0][1].what
    document: dict[str, object] = {"commit": str(what.id()), "step": what.step}
    if not explain:
        return document, []
    explanation = _explain(*copies[0])
    document["explain"] = explanation.document()
    lines = [f"step {what.step} ({what.id()}) was made with:\n{explanation.text()}"]
    if explanation.verdict.blocking and anyway is None:
        say(document, "\n".join(lines), as_json=as_json)
        explanation.require_fit()
    document["anyway"] = anyway if explanation.verdict.blocking else None
    return document, lines


def _explain(repository: Repository, accepted: Accepted) -> Explanation:
    from replicator.versions.explain import explain
    from replicator.versions.gather import Gathering, Source

    here = Gathering(Source.of_this_process("launcher", Path.cwd()))
    here.wait(_GATHER_S)
    return explain(repository, accepted, here.now().document)


def _along(
    repository: Repository,
    accepted: Accepted,
    with_code: Path | None,
    with_point: Path | None,
    document: dict[str, object],
) -> list[str]:
    """What comes along with the checkpoint, if it is asked for."""
    lines = [] if with_code is None else [_code(repository, accepted, with_code, document)]
    return lines if with_point is None else [*lines, _point(repository, accepted, with_point, document)]


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
    from replicator.repository.pinning import as_it_is_now, pinned

    with contextlib.ExitStack() as pins:
        held = [
            pins.enter_context(pinned(repository, accepted.what.workload, accepted, reason=f"restore to {to}"))
            for repository, accepted in copies
        ]
        if not all(held):
            sys.stderr.write("warning: no pin is held; a keeper may drop this checkpoint while it is read\n")
        yield (
            all(held),
            [(repository, as_it_is_now(repository, each.what.workload, each)) for repository, each in copies],
        )


def _bring(ladder: Ladder, to: Path, files: list[str] | None, tensors: list[str] | None, ranks: str | None) -> Restored:
    from replicator.cli.progress import progress
    from replicator.errors import PartRefused
    from replicator.repository.restore import restore_from
    from replicator.repository.selection import files_like, files_of_ranks, tensors_like

    if sum(each is not None and each != [] for each in (files, tensors, ranks)) > 1:
        raise PartRefused("--files, --tensor and --ranks exclude each other", hint="Restore one part after the other.")
    manifest = ladder.manifest
    if tensors:
        from replicator.repository.tensors import restore_tensors

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


def _told(ladder: Ladder, done: Restored, to: Path, lines: list[str], *, part: bool) -> dict[str, object]:
    from replicator.layouts import resume_command

    what = ladder.what
    layout, resume = (None, None) if part else resume_command(to.absolute(), what.name, what.step)
    document: dict[str, object] = {
        "to": str(to), "files": done.files, "size_bytes": done.size_bytes,
        "already": done.already, "part": part, "layout": layout, "resume": resume,
    }  # fmt: skip
    kind = "a part of step" if part else "step"
    text = f"{kind} {what.step} ({what.id()}) is in {to}: {done.files} files, {done.size_bytes:,} bytes, every digest checked"
    lines.append(text if part else f"{text}\nresume ({layout}): {resume}")
    return document


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
