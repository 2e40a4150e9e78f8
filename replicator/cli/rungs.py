"""Several repositories on one command line: which of them answer, what they hold, what came from where."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from replicator.cli.options import only_workload, open_repository
from replicator.errors import ReplicatorError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.repository.edge import EdgeCache
    from replicator.repository.ladder import Ladder
    from replicator.repository.repository import Repository
    from replicator.repository.survey import Survey


def look(urls: Sequence[str], workload: str | None, limit_s: float, keys: Path | None = None) -> Survey:
    """Open what answers and read its logs; one of several that cannot be opened is said to be away."""
    from replicator.repository.heads import HeadMemory
    from replicator.repository.survey import survey

    opened: list[Repository] = []
    away: dict[str, str] = {}
    for url in urls:
        try:
            opened.append(open_repository(url, keys, limit_s=limit_s))
        except ReplicatorError as error:
            if len(urls) == 1:
                raise
            away[url] = str(error)
    if not opened:
        raise StoreUnavailable(f"none of the repositories can be opened: {'; '.join(away.values())}")
    found = survey(opened, only_workload(opened[0], workload), HeadMemory())
    found.away.update(away)
    for url, why in found.away.items():
        sys.stderr.write(f"warning: {url} gives nothing, and may hold newer checkpoints: {why}\n")
    for each in found.seen:
        if each.why_not is not None:
            sys.stderr.write(
                f"warning: {each.repository.store.url} was rolled back ({each.why_not}): it chooses nothing\n"
            )
    return found


def sources(ladder: Ladder, cache: EdgeCache | None) -> tuple[dict[str, object], str]:
    """What came from where, as a document and for people."""
    rungs = [
        {
            "repository": rung.repository.store.url, "bytes": rung.read_bytes, "damaged": sorted(rung.damaged.values()),
            "gave_up": rung.gave_up,
        }
        for rung in ladder.rungs
    ]  # fmt: skip
    document: dict[str, object] = {"from": rungs}
    lines: list[str] = []
    if len(rungs) > 1 or any(rung.damaged or rung.gave_up for rung in ladder.rungs):
        for rung in ladder.rungs:
            lines.append(f"  {rung.read_bytes:,} bytes from {rung.repository.store.url}")
            lines += [f"    damaged there: {why}" for why in sorted(rung.damaged.values())]
            if rung.gave_up:
                lines.append(f"    given up: {rung.gave_up}")
    if cache is not None:
        document["cache"] = {"hits": cache.hits, "bytes": cache.hit_bytes, "trouble": cache.trouble}
        lines.append(f"  {cache.hit_bytes:,} of these bytes, as stored, from the cache")
        if cache.trouble:
            lines.append(f"    {cache.trouble}")
    return document, "\n".join(lines)
