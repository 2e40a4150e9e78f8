"""`replicator verify`: read checkpoints back, write receipts, say what is damaged."""

from __future__ import annotations

from typing import Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say, warn_if_untried


def verify(
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    selector: Annotated[str, typer.Option("--checkpoint", help="latest, step:N, TERM.HEIGHT, or all.")] = "all",
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name receipts are written.")] = "operator",
    *,
    json: Json = False,
) -> None:
    """Read every block of the checkpoints and check it against its commit. Exit 48 if one is damaged."""
    from replicator.errors import DataCorrupt
    from replicator.repository.select import select
    from replicator.repository.verify import verify as check

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    warn_if_untried(repository)
    view = repository.log(name).view()
    chosen = list(reversed(view.in_order())) if selector == "all" else [select(repository, name, selector)]
    rows: list[dict[str, object]] = []
    for accepted in chosen:
        for verdict in check(repository, name, accepted, verifier):
            rows.append(
                {
                    "commit": str(accepted.what.id()), "step": accepted.what.step, "level": verdict.level,
                    "ok": verdict.ok, "reason": verdict.reason,
                }
            )  # fmt: skip
    damaged = sorted({str(row["commit"]) for row in rows if not row["ok"]})
    lines = [
        f"{r['commit']} step {r['step']}: {r['level']} {'ok' if r['ok'] else 'FAILED: ' + str(r['reason'])}"
        for r in rows
    ]
    say({"workload": name, "verdicts": rows, "damaged": damaged}, "\n".join(lines) or "nothing to verify", as_json=json)
    if damaged:
        raise DataCorrupt(f"{name}: {', '.join(damaged)} in {repository.store.url} cannot be restored whole")
