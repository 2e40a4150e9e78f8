"""`replicator release` and `replicator condemn`: a person's word about a checkpoint, against admission's."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Repos, Workload, only_workload, open_repository, say

if TYPE_CHECKING:
    from pathlib import Path

Checkpoint = Annotated[str, typer.Argument(help="A step, step:N, TERM.HEIGHT or latest, as `list` shows them.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the word, and `list` shows it.")]
By = Annotated[str | None, typer.Option("--by", help="Who says it; by default USER@HOST.")]


def release(
    checkpoint: Checkpoint,
    repo: Repos,
    reason: Why,
    workload: Workload = None,
    by: By = None,
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Let a suspect checkpoint count again: as `latest`, as a recovery point, towards the RPO."""
    _rule(checkpoint, repo, reason, workload, by, keys, released=True, json=json)


def condemn(
    checkpoint: Checkpoint,
    repo: Repos,
    reason: Why,
    workload: Workload = None,
    by: By = None,
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Treat a checkpoint as suspect from now on, whatever admission found."""
    _rule(checkpoint, repo, reason, workload, by, keys, released=False, json=json)


def _rule(
    checkpoint: str,
    repos: list[str],
    reason: str,
    workload: str | None,
    by: str | None,
    keys: Path | None,
    *,
    released: bool,
    json: bool,
) -> None:
    from replicator.errors import ReplicatorError
    from replicator.repository.ruling import Ruling, rule
    from replicator.repository.select import select

    if not reason.strip():
        raise ReplicatorError("--reason is empty", hint='Say why: --reason "loss is where it was, seen in W&B"')
    word = Ruling(released, reason, by or f"{getpass.getuser()}@{socket.gethostname()}", 0.0)
    selector = f"step:{checkpoint}" if checkpoint.isascii() and checkpoint.isdigit() else checkpoint
    rows: list[dict[str, object]] = []
    chosen = [(r, only_workload(r, workload)) for r in (open_repository(url, keys) for url in repos)]
    for repository, name, accepted in [(r, n, select(r, n, selector)) for r, n in chosen]:
        said = rule(repository, name, accepted, word)
        rows.append(
            {
                "url": repository.store.url, "workload": name, "commit": str(accepted.what.id()),
                "step": accepted.what.step, "said": said, "findings": [f.reason for f in accepted.what.findings],
            }
        )  # fmt: skip
    verb = "released" if released else "condemned"
    lines = [
        f"{r['url']}: step {r['step']} ({r['commit']}) {verb if r['said'] else f'was {verb} already, or is not suspect'}"
        for r in rows
    ]
    say({"released": released, "reason": reason, "by": word.by, "checkpoints": rows}, "\n".join(lines), as_json=json)
