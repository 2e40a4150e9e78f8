"""Options that several verbs share, and how they say what they did."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from types import FrameType

    from replicator.admission import Reason
    from replicator.repository.repository import Repository

Repo = Annotated[
    str,
    typer.Option(
        "--repo",
        help="Repository: file:///FOLDER, s3://BUCKET/PREFIX?region=…, gs://BUCKET or az://CONTAINER?account=…",
    ),
]
Repos = Annotated[list[str], typer.Option("--repo", help="Repository URL; repeat it to ship to several at once.")]
Workload = Annotated[str | None, typer.Option("--workload", help="Which workload; needed where there are several.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="A reason for which no checkpoint is suspect (docs/replicator.md); repeat it."),
]


def reasons(names: Sequence[str] | None) -> tuple[Reason, ...]:
    """The reasons of admission by name. ReplicatorError names one that there is not."""
    from replicator.admission.findings import REASONS
    from replicator.errors import ReplicatorError

    wanted = set(names or ())
    found: tuple[Reason, ...] = tuple(filter(wanted.__contains__, REASONS))
    unknown = sorted(wanted - set(found))
    if unknown:
        raise ReplicatorError(f"--ignore {unknown[0]}: no such reason", hint=f"There are: {', '.join(REASONS)}.")
    return found


def say(document: dict[str, object], text: str, *, as_json: bool) -> None:
    """The result on stdout: the document, or the text for people."""
    sys.stdout.write((json.dumps(document) if as_json else text) + "\n")


def open_repository(url: str) -> Repository:
    """The repository at `url`, which must exist; says loudly that nothing in it is encrypted."""
    from replicator.repository.repository import Repository
    from replicator.stores.url import open_store

    repository = Repository(url, open_store(url))
    warn_if_plain(repository)
    return repository


def warn_if_plain(repository: Repository) -> None:
    if repository.format().suites.crypto == "none":
        sys.stderr.write(f"warning: {repository.store.url} is NOT encrypted and NOT signed (crypto: none)\n")


def stopping(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    """A signal handler that asks for the end."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    return handle


def only_workload(repository: Repository, workload: str | None) -> str:
    """The workload asked for, or the only one there is."""
    from replicator.errors import NothingToRestore

    if workload is not None:
        return workload
    there = repository.workloads()
    if len(there) != 1:
        raise NothingToRestore(
            f"{repository.store.url} holds {', '.join(there) or 'no workload'}", hint="Choose one with --workload NAME."
        )
    return there[0]
