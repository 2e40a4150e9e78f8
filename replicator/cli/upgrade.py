"""`replicator upgrade`: the one act by which a repository stops being readable, or writable, by older versions."""

from __future__ import annotations

from typing import Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, open_repository, say


def upgrade(
    repo: Repo,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the log.")],
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Bring each log of a repository to the level of this version; older ones refuse it then. Bring all sites up first."""
    from replicator.log.level import LEVEL, RELEASE

    repository = open_repository(repo, keys)
    rows: dict[str, dict[str, object]] = {}
    for name in repository.workloads():
        log = repository.log(name)
        raised = log.upgrade(LEVEL, LEVEL, release=RELEASE, reason=reason)
        needs = log.view().needs
        rows[name] = {"reader": needs.reader, "writer": needs.writer, "upgraded": raised}
    lines = [
        f"{name}: level {row['writer']}" + (", upgraded now" if row["upgraded"] else "; nothing to do")
        for name, row in rows.items()
    ]
    say({"level": LEVEL, "workloads": rows}, "\n".join(lines) or "no workload has a log here", as_json=json)
