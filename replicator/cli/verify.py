"""`replicator verify`: what verifiers said, spot checks, or every block; receipts, and what is damaged."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import (
    Anchored,
    Json,
    Keys,
    Repo,
    Workload,
    anchored_heads,
    only_workload,
    open_repository,
    say,
    warn_if_untried,
)

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def verify(
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    selector: Annotated[str, typer.Option("--checkpoint", help="A selector as of `restore`, or all.")] = "all",
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name receipts are written.")] = "operator",
    sample: Annotated[
        float | None,
        typer.Option("--sample", min=0, max=100, help="Read this percentage, more of what is at more risk."),
    ] = None,
    anchors: Anchored = None,
    *,
    receipts: Annotated[bool, typer.Option("--receipts", help="Read no data: what verifiers said.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read every block; the default.")] = False,
    json: Json = False,
) -> None:
    """Check checkpoints against their commits, and each log against what was seen of it. Exit 48 if one is damaged."""
    from replicator.errors import DataCorrupt, ReplicatorError
    from replicator.repository.heads import HeadMemory, require_whole

    if sum((receipts, sample is not None, full)) > 1:
        raise ReplicatorError("--receipts, --sample and --full exclude each other", hint="Choose one of them.")
    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    warn_if_untried(repository)
    anchored_heads(repository, anchors)
    memory = HeadMemory()
    require_whole(repository, name, memory.of(repository, name))
    memory.remember(repository, name)
    if receipts:
        rows = _said(repository, name, _chosen(repository, name, selector))
    elif sample is not None:
        rows = _sampled(repository, name, sample / 100, verifier)
    else:
        rows = _read(repository, name, _chosen(repository, name, selector), verifier)
    damaged = sorted({str(row["commit"]) for row in rows if row["ok"] is False})
    lines = [_line(row) for row in rows]
    say({"workload": name, "verdicts": rows, "damaged": damaged}, "\n".join(lines) or "nothing to verify", as_json=json)
    if damaged:
        raise DataCorrupt(
            f"{name}: {', '.join(damaged)} in {repository.store.url} cannot be restored whole",
            hint=f"replicator repair --repo {repository.store.url} --from PEER",
        )


def _chosen(repository: Repository, name: str, selector: str) -> list[Accepted]:
    from replicator.repository.select import select

    if selector != "all":
        return [select(repository, name, selector)]
    return list(reversed(repository.log(name).view().in_order()))


def _read(repository: Repository, name: str, chosen: list[Accepted], verifier: str) -> list[dict[str, object]]:
    from replicator.cli.progress import progress
    from replicator.repository.verify import verify as check

    with progress("verifying", sum(accepted.what.size_bytes for accepted in chosen)) as advance:
        return [
            _row(accepted, verdict.level, verdict.reason, ok=verdict.ok)
            for accepted in chosen
            for verdict in check(repository, name, accepted, verifier, advance)
        ]


def _sampled(repository: Repository, name: str, share: float, verifier: str) -> list[dict[str, object]]:
    from replicator.cli.progress import progress
    from replicator.repository.verify import sample

    total = sum(accepted.what.size_bytes for accepted in repository.log(name).view().in_order())
    with progress("sampling", int(total * share)) as advance:
        found = sample(repository, name, share, verifier, random.SystemRandom(), advance)
    return [
        {
            "commit": each.risk.facts.commit, "step": each.risk.facts.step, "level": "sampled", "ok": each.reason is None,
            "reason": each.reason, "blocks": each.blocks, "of": each.of, "risk": round(each.risk.score, 3),
        }
        for each in found
    ]  # fmt: skip


def _said(repository: Repository, name: str, chosen: list[Accepted]) -> list[dict[str, object]]:
    from replicator.model import LEVELS

    rows: list[dict[str, object]] = []
    for accepted in chosen:
        for level in LEVELS:
            word = repository.receipts.verdict(name, accepted.slot, level)
            if word is not None or level != "proved":
                ok, why = (word.ok, word.reason) if word else (None, "no verifier said anything")
                rows.append(_row(accepted, level, why, ok=ok))
    return rows


def _row(accepted: Accepted, level: str, reason: str | None, *, ok: bool | None) -> dict[str, object]:
    what = accepted.what
    return {"commit": str(what.id()), "step": what.step, "level": level, "ok": ok, "reason": reason}


def _line(row: dict[str, object]) -> str:
    state = {True: "ok", False: f"FAILED: {row['reason']}", None: "unknown: no verifier said anything"}
    told = f"{row['commit']} step {row['step']}: {row['level']} {state[row['ok'] if isinstance(row['ok'], bool) else None]}"
    return f"{told} ({row['blocks']} of {row['of']} blocks, risk {row['risk']})" if "blocks" in row else told
