"""`replicator list`: what a repository holds, and what was void."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say, warn_if_untried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.model import What

_INDENT = " " * 12
_SHOWN = 5


def list_(repo: Repo, workload: Workload = None, keys: Keys = None, *, json: Json = False) -> None:
    """List checkpoints, newest first, with their receipts; then entries that are void, with the reason."""
    from replicator.log.lineage import lineage
    from replicator.model import LEVELS
    from replicator.repository.heads import HeadMemory, why_rolled_back
    from replicator.repository.ruling import ruling

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    view = repository.log(name).view()
    memory = HeadMemory()
    back = why_rolled_back(repository, name, memory.of(repository, name))
    if back is None:
        memory.remember(repository, name)
    behind = lineage(view)
    rows: list[dict[str, object]] = []
    for accepted in reversed(view.in_order()):
        what = accepted.what
        said = ruling(repository, name, accepted)
        levels = repository.receipts.levels(name, accepted.slot, LEVELS)
        rows.append(
            {
                "commit": str(what.id()), "step": what.step, "saved_at": what.saved_at, "slot": accepted.slot,
                "size_bytes": what.size_bytes, "files": what.files, "shipped_bytes": accepted.where.shipped_bytes,
                "receipts": [level for level, holds in levels.items() if holds], "attempt": what.attempt,
                "pinned": what.id() in view.pins.values(), "findings": [f.model_dump() for f in what.findings],
                "left": behind.left(what.id()),
                "suspect": what.suspect if said is None else not said.released,
                "ruling": asdict(said) if said is not None else None,
                "versions": what.versions.model_dump(mode="json") if what.versions else None,
                "point": what.point.model_dump(mode="json") if what.point else None,
            }
        )  # fmt: skip
    void = [
        {"slot": v.slot, "kind": v.kind, "commit": str(v.commit) if v.commit else None, "reason": v.reason}
        for v in view.void
    ]
    lines = [f"{name} in {repository.store.url}: term {view.term}, {'open' if view.writable else 'sealed'}"]
    lines += [f"  ROLLED BACK: {back}"] if back else []
    for row, accepted in zip(rows, reversed(view.in_order()), strict=True):
        lines += [_line(row), *_why(row), *_made_with(accepted.what)]
    lines += [f"  void  slot {v['slot']}: {v['kind']} {v['commit'] or ''} ({v['reason']})" for v in void]
    tried = warn_if_untried(repository)
    document: dict[str, object] = {
        "workload": name, "term": view.term, "sealed": view.sealed, "checkpoints": rows, "void": void,
        "restored_by": list(tried) if tried is not None else None,
        "rolled_back": back,
    }  # fmt: skip
    say(document, "\n".join(lines), as_json=json)


def _why(row: Mapping[str, Any]) -> list[str]:
    """What admission found, and who said what of it."""
    lines = [f"{_INDENT}{found['reason']}: {found['evidence']}" for found in row["findings"][:_SHOWN]]
    if len(row["findings"]) > _SHOWN:
        lines.append(f"{_INDENT}and {len(row['findings']) - _SHOWN} more findings (--json)")
    if said := row["ruling"]:
        at = datetime.fromtimestamp(said["at"], tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(
            f"{_INDENT}{'released' if said['released'] else 'condemned'} by {said['by']} {at}: {said['reason']}"
        )
    return lines


def _made_with(what: What) -> list[str]:
    """What is known of its versions, and whether other systems are kept at its step: one line, or none."""
    from replicator.versions.brief import brief

    said = [brief(what.versions)] if what.versions else []
    if what.point is not None:
        names = ", ".join(each.name for each in what.point.participants)
        said.append(f"point of {names}" if what.point.made else f"NO POINT: {what.point.reason}")
    return [f"{_INDENT}{'; '.join(each for each in said if each)}"] if any(said) else []


def _line(row: dict[str, object]) -> str:
    saved = datetime.fromtimestamp(float(str(row["saved_at"])), tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    receipts = ",".join(row["receipts"]) if isinstance(row["receipts"], list) else ""  # pyright: ignore[reportUnknownArgumentType]
    suspect = "  SUSPECT" if row["suspect"] else ""
    left = "  left by a promotion" if row["left"] else ""
    size = f"{row['size_bytes']:>14,} bytes"
    return f"  {row['commit']:>8}  step {row['step']:>8}  {saved}  {size}  {receipts or 'no receipts'}{suspect}{left}"
