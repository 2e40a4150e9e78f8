"""`replicator watch`: follow a folder and ship every complete checkpoint in it."""

from __future__ import annotations

import json as json_
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Json, Repos, stopping


def watch(
    path: Annotated[Path, typer.Argument(help="The folder below which the trainer saves checkpoints.")],
    repo: Repos,
    workload: Annotated[str | None, typer.Option("--workload", help="Its name; the folder's by default.")] = None,
    writer: Annotated[str, typer.Option("--writer", help="The writing site, as the log names it.")] = "standalone",
    spool: Annotated[Path | None, typer.Option("--spool", help="Default: PATH/.drstack-spool")] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Ship what is there, then end.")] = False,
    json: Json = False,
) -> None:
    """Follow a folder. The first repository's log says whether this writer still writes; a seal ends it (exit 45)."""
    from replicator.cli.logs import log_to_stderr
    from replicator.errors import Sealed
    from replicator.service.follow import follow

    log_to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))

    def report(document: dict[str, object]) -> None:
        sys.stdout.write((json_.dumps(document) if json else " ".join(f"{k}={v}" for k, v in document.items())) + "\n")
        sys.stdout.flush()

    name = workload or path.absolute().name
    ended = follow(path, repo, workload=name, writer=writer, spool=spool, once=once, report=report, stop=stop)
    if ended is not None:
        raise Sealed(ended)
