"""`replicator scrub`: read a repository back on a budget, going on where the last run stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Anchored, Json, Keys, Repo, anchored_heads, open_repository, say

_SAVED_BYTES = 256 * 1024 * 1024
"""After this much it is noted where scrubbing is, so that a run that is killed loses little."""

Place = Annotated[Path | None, typer.Option("--place", help="File that remembers where it is. Default: by repository.")]


def scrub(
    repo: Repo,
    budget: Annotated[str | None, typer.Option("--bytes", help="Read about this much: 10GB.")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="Read for about this long: 10m.")] = None,
    place: Place = None,
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name receipts are written.")] = "scrub",
    keys: Keys = None,
    anchors: Anchored = None,
    *,
    json: Json = False,
) -> None:
    """Read packs and manifests and compare them with their digests, round robin. Exit 48 while one is damaged."""
    from replicator.cli.amounts import seconds, size_bytes
    from replicator.cli.progress import progress
    from replicator.errors import DataCorrupt
    from replicator.repository.heads import HeadMemory, require_whole
    from replicator.repository.scrub import default_place, load, save
    from replicator.repository.scrub import scrub as read_on

    repository = open_repository(repo, keys)
    memory = HeadMemory()
    for name in sorted({*repository.workloads(), *anchored_heads(repository, anchors)}):
        require_whole(repository, name, memory.of(repository, name))
    path = place or default_place(repository)
    bytes_left = None if budget is None else size_bytes(budget, "--bytes")
    ends = None if duration is None else time.monotonic() + seconds(duration, "--for")
    objects = read = 0
    with progress("scrubbing", bytes_left or 0) as advance:
        while True:
            chunk = _SAVED_BYTES if bytes_left is None else min(_SAVED_BYTES, bytes_left - read)
            done = read_on(
                repository, load(path), verifier, budget_bytes=chunk,
                budget_s=None if ends is None else ends - time.monotonic(), progress=advance,
            )  # fmt: skip
            save(path, done.place)
            objects, read = objects + done.objects, read + done.read_bytes
            spent = (bytes_left is not None and read >= bytes_left) or (ends is not None and time.monotonic() >= ends)
            if spent or not done.left:
                break
    damaged = done.place.damaged
    lines = [f"{objects} objects, {read:,} bytes read; {done.left} are left of this round"]
    lines += [f"  DAMAGED  {why}" for why in damaged.values()]
    document: dict[str, object] = {
        "objects": objects, "bytes": read, "left": done.left, "round": done.place.round,
        "damaged": damaged, "place": str(path),
    }  # fmt: skip
    say(document, "\n".join(lines), as_json=json)
    if damaged:
        raise DataCorrupt(
            f"{repository.store.url}: {len(damaged)} objects are damaged",
            hint=f"replicator repair --repo {repository.store.url} --from PEER",
        )
