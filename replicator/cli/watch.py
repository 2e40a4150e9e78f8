"""`replicator watch`: ship what a folder holds, and follow it."""

from __future__ import annotations

import json as json_
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from replicator.cli.options import Idle, Ignore, Json, Keys, Repos, give_way, reasons, stopping

if TYPE_CHECKING:
    from collections.abc import Mapping


def watch(
    path: Annotated[Path, typer.Argument(help="The folder below which the trainer saves; it may not exist yet.")],
    repo: Repos,
    workload: Annotated[str | None, typer.Option("--workload", help="Its name; by default the run's folder's.")] = None,
    writer: Annotated[str, typer.Option("--writer", help="The writing site, as the log names it.")] = "standalone",
    keys: Keys = None,
    spool: Annotated[Path | None, typer.Option("--spool", help="Default: .drstack-spool-NAME beside PATH.")] = None,
    quiet: Annotated[
        float,
        typer.Option("--quiet", min=0, help="Seconds unchanged that stand in for a sign that a save is finished."),
    ] = 10.0,
    ignore: Ignore = None,
    code: Annotated[
        Path | None, typer.Option("--code", help="The training program's repository; by default PATH lies in it.")
    ] = None,
    *,
    create: Annotated[bool, typer.Option("--create/--no-create", help="Make a repository where there is none.")] = True,
    once: Annotated[bool, typer.Option("--once", help="Ship what is there, then end.")] = False,
    idle: Idle = False,
    json: Json = False,
) -> None:
    """Ship what is in a folder, newest first, then follow it. The framework, the run's name and steps are found out.

    The first repository's log says whether this writer still writes; a seal ends it (exit 45).
    """
    from replicator.crypto.keyring import find_keyring
    from replicator.errors import Sealed
    from replicator.service.follow import Watch, follow

    if idle:
        give_way()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))

    def report(document: dict[str, object]) -> None:
        sys.stdout.write((json_.dumps(document) if json else _told(document)) + "\n")
        sys.stdout.flush()

    def tell(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    told = Watch(
        path, repo, workload, writer, spool, quiet, create, once,
        keys=find_keyring(keys), ignore=reasons(ignore), code=code,
    )  # fmt: skip
    ended = follow(told, report=report, tell=tell, stop=stop)
    if ended is not None:
        raise Sealed(ended)


def _told(document: Mapping[str, Any]) -> str:
    """A line for each workload: what it is, where its newest checkpoint is, and what is wrong. Or for one commit."""
    if "workloads" not in document:
        step, commit = document["last_step"], document["last_commit"]
        return f"{document['workload']}: {document['destination']} has step {step} ({commit})"
    lines: list[str] = []
    for name, each in document["workloads"].items():
        parts = [f"{name}: term {each['term']}"]
        for site, there in each["destinations"].items():
            newest = f"step {there['last_step']} ({there['last_commit']})" if there["last_commit"] else "nothing yet"
            parts.append(f"{site} has {newest}" + (f", TROUBLE: {there['trouble']}" if there["trouble"] else ""))
        parts += [f"torn, not shipped: {folder}: {why}" for folder, why in each["torn"].items()]
        parts += [f"{each['pending']} to ship"] if each["pending"] else []
        parts += [f"TROUBLE: {each[key]}" for key in ("trouble", "sealed") if each[key]]
        lines.append("; ".join(parts))
    return "\n".join(lines) or "no checkpoint yet"
