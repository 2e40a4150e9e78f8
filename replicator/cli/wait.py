"""`replicator wait`: until a save is acknowledged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Json, say


def wait(
    path: Annotated[Path, typer.Argument(help="The checkpoint that was saved: a folder or a file.")],
    spool: Annotated[
        Path, typer.Option("--spool", help="The folder of the workload in the replicator's spool: SPOOL/WORKLOAD.")
    ],
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds; by default it waits for as long as it takes.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Wait until every site that must acknowledge a save has it, with receipts. With the near site down it stalls.

    Exit 63 if the time is over or it will never be acknowledged, 45 if another site writes now.
    """
    from replicator.service.acknowledged import await_word

    word = await_word(path, spool, timeout_s=timeout, say=lambda text: typer.echo(text, err=True))
    by = f"by {', '.join(word.by)}" if word.by else "(nobody must; it is in the spool)"
    suspect = f"; SUSPECT: {', '.join(word.findings)}: it is no recovery point" if word.findings else ""
    say(word.model_dump(), f"step {word.step} is acknowledged {by}, as {word.commit}{suspect}", as_json=json)
