"""`replicator push`: ship one checkpoint, once, to one or more repositories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Ignore, Json, Keys, Repos, reasons, say, warn

if TYPE_CHECKING:
    from replicator.consistency.system import System


def push(
    path: Annotated[Path, typer.Argument(help="The checkpoint: a folder or a file.")],
    repo: Repos,
    workload: Annotated[str, typer.Option("--workload", help="The workload that it belongs to.")],
    step: Annotated[int, typer.Option("--step", min=0, help="The training step that it was saved at.")],
    keys: Keys = None,
    writer: Annotated[str, typer.Option("--writer", help="The writing site, as the log names it.")] = "standalone",
    ignore: Ignore = None,
    point: Annotated[
        Path | None,
        typer.Option("--point", help="JSON file of systems to keep in the same commit: docs/consistency.md."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Ship a checkpoint. It exists in each repository completely or not at all; the same push again does nothing."""
    from dataclasses import replace

    from replicator.admission import DEFAULT
    from replicator.crypto.keyring import find_keyring
    from replicator.errors import PointNotMade
    from replicator.repository.establish import open_at
    from replicator.repository.plain import warn_if_plain
    from replicator.service.once import push_once

    systems: list[System] = []
    if point is not None:
        from replicator.consistency.config import read_point

        systems = read_point(point)
    policy = replace(DEFAULT, off=frozenset(reasons(ignore)))
    ring = find_keyring(keys)
    repositories = [open_at(url, ring) for url in repo]
    for each in repositories:
        warn_if_plain(each, warn)
    results = push_once(path, repositories, workload=workload, step=step, writer=writer, policy=policy, systems=systems)
    lines = [
        f"{r['url']}: {r['commit']} (step {r['step']}), {r['shipped_bytes']:,} of {r['size_bytes']:,} bytes sent"
        + (f"; suspect: {', '.join(r['findings'])}" if r["findings"] else "")
        for r in results
    ]
    say({"pushed": results}, "\n".join(lines), as_json=json)
    why = next((r["no_point"] for r in results if r["no_point"]), None)
    if systems and why:
        raise PointNotMade(f"the checkpoint is committed, and nothing is kept with it: {why}")
