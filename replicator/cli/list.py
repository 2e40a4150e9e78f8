"""`replicator list`: what a repository holds, and what was void."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from replicator.cli.options import Json, Repo, Workload, only_workload, open_repository, say

if TYPE_CHECKING:
    from replicator.model import What


def list_(repo: Repo, workload: Workload = None, *, json: Json = False) -> None:
    """List checkpoints, newest first, with their receipts; then entries that are void, with the reason."""
    from replicator.model import LEVELS

    repository = open_repository(repo)
    name = only_workload(repository, workload)
    view = repository.log(name).view()
    rows: list[dict[str, object]] = []
    for accepted in reversed(view.in_order()):
        what = accepted.what
        levels = repository.receipts.levels(name, accepted.slot, LEVELS)
        rows.append(
            {
                "commit": str(what.id()), "step": what.step, "saved_at": what.saved_at, "slot": accepted.slot,
                "size_bytes": what.size_bytes, "files": what.files, "shipped_bytes": accepted.where.shipped_bytes,
                "receipts": [level for level, holds in levels.items() if holds], "attempt": what.attempt,
                "pinned": what.id() in view.pins.values(), "findings": [f.model_dump() for f in what.findings],
                "versions": what.versions.model_dump(mode="json") if what.versions else None,
                "point": what.point.model_dump(mode="json") if what.point else None,
            }
        )  # fmt: skip
    void = [
        {"slot": v.slot, "kind": v.kind, "commit": str(v.commit) if v.commit else None, "reason": v.reason}
        for v in view.void
    ]
    lines = [f"{name} in {repository.store.url}: term {view.term}, {'open' if view.writable else 'sealed'}"]
    for row, accepted in zip(rows, reversed(view.in_order()), strict=True):
        lines.append(_line(row))
        lines += _made_with(accepted.what)
    lines += [f"  void  slot {v['slot']}: {v['kind']} {v['commit'] or ''} ({v['reason']})" for v in void]
    document: dict[str, object] = {
        "workload": name, "term": view.term, "sealed": view.sealed, "checkpoints": rows, "void": void
    }  # fmt: skip
    say(document, "\n".join(lines), as_json=json)


def _made_with(what: What) -> list[str]:
    """What is known of its versions, and whether other systems are kept at its step: one line, or none."""
    from replicator.versions.brief import brief

    said = [brief(what.versions)] if what.versions else []
    if what.point is not None:
        names = ", ".join(each.name for each in what.point.participants)
        said.append(f"point of {names}" if what.point.made else f"NO POINT: {what.point.reason}")
    return [f"{'':>10}{'; '.join(each for each in said if each)}"] if any(said) else []


def _line(row: dict[str, object]) -> str:
    saved = datetime.fromtimestamp(float(str(row["saved_at"])), tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    receipts = ",".join(row["receipts"]) if isinstance(row["receipts"], list) else ""  # pyright: ignore[reportUnknownArgumentType]
    suspect = "  SUSPECT" if row["findings"] else ""
    size = f"{row['size_bytes']:>14,} bytes"
    return f"  {row['commit']:>8}  step {row['step']:>8}  {saved}  {size}  {receipts or 'no receipts'}{suspect}"
