"""Options that several verbs share, and how they say what they did."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from types import FrameType

    from replicator.admission import Reason
    from replicator.repository.anchors import Anchored as Anchored_
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
Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys", help="Folder of the trust file and keys; default: $DRSTACK_KEYS, else ~/.config/drstack/keys."
    ),
]
Protect = Annotated[
    str | None,
    typer.Option("--protect", help="How recipients' keys lie here: passphrase-file:FILE, aws-kms:ARN or gcp-kms:NAME."),
]
Idle = Annotated[
    bool, typer.Option("--idle", help="Run only when nothing else wants the processor or the disk (Linux).")
]
Anchored = Annotated[
    str | None,
    typer.Option(
        "--anchors",
        help="Ask the witness how far the logs reached: URL#ENVIRONMENT/SITE, the site being the repository's.",
    ),
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        min=0.0,
        metavar="SECONDS",
        help="How long bytes stay that nothing names any more: longer than the longest push and restore.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="A reason for which no checkpoint is suspect (docs/replicator.md); repeat it."),
]


def reasons(names: Sequence[str] | None) -> tuple[Reason, ...]:
    """The reasons of admission by name. ReplicatorError names one that there is not."""
    from replicator.admission.findings import REASONS
    from replicator.errors import ReplicatorError

    known: dict[str, Reason] = {reason: reason for reason in REASONS}
    unknown = sorted(set(names or ()) - known.keys())
    if unknown:
        raise ReplicatorError(f"--ignore {unknown[0]}: no such reason", hint=f"There are: {', '.join(REASONS)}.")
    return tuple(dict.fromkeys(known[name] for name in names or ()))


def say(document: dict[str, object], text: str, *, as_json: bool) -> None:
    """The result on stdout: the document, or the text for people."""
    sys.stdout.write((json.dumps(document) if as_json else text) + "\n")


def open_repository(url: str, keys: Path | None = None, *, limit_s: float | None = None) -> Repository:
    """The repository at `url`, which must exist; says loudly where nothing in it is encrypted.

    With `limit_s` no call to its store takes longer.
    """
    from replicator.crypto.keyring import find_keyring
    from replicator.repository.establish import open_at
    from replicator.repository.plain import warn_if_plain

    repository = open_at(url, find_keyring(keys), limit_s=limit_s)
    warn_if_plain(repository, warn)
    return repository


def anchored_heads(repository: Repository, told: str | None) -> dict[str, Anchored_]:
    """By workload the last anchor at the place told, learnt by this machine too. ReplicatorError, StoreUnavailable."""
    from replicator.repository.anchors import open_anchors, place_of
    from replicator.repository.heads import HeadMemory
    from replicator.repository.repository import random_token

    if told is None:
        return {}
    place = place_of(told)
    repository.name = place.site
    anchors = open_anchors(place.url, place.environment, clock=repository.clock, token=random_token)
    memory = HeadMemory()
    found: dict[str, Anchored_] = {}
    for workload in anchors.workloads(repository):
        there = anchors.last(repository, workload)
        if there is not None:
            found[workload] = there
            memory.learn(repository, workload, there.anchor.head)
    return found


def warn_if_untried(repository: Repository) -> tuple[str, ...] | None:
    """The recipients that restored from it before; says loudly if none did. None where nothing is encrypted."""
    from replicator.repository.readiness import restored_by

    tried = restored_by(repository)
    if tried == ():
        url = repository.store.url
        warn(
            f"{url} is NOT READY: no recipient has restored anything from it yet\n"
            f"  next: replicator restore latest --repo '{url}' --to FOLDER, with a recipient's key at hand"
        )
    return tried


def give_way() -> None:
    """Become idle, for `--idle`; says what could not be done."""
    from replicator.service.priority import become_idle

    for each in become_idle():
        warn(f"--idle: {each}")


def warn(text: str) -> None:
    """A warning on stderr."""
    sys.stderr.write(f"warning: {text}\n")


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


def protection_of(told: str | None) -> bytes | str | None:
    """What `--protect` names: a passphrase (bytes), a KMS key's URL, or None. KeyLocked where it names neither."""
    from replicator.crypto.keyring import read_passphrase
    from replicator.crypto.kms.port import SCHEMES
    from replicator.errors import KeyLocked

    if told is None:
        return None
    if told.startswith(SCHEMES):
        return told
    kind, _, path = told.partition(":")
    if kind != "passphrase-file" or not path:
        raise KeyLocked(
            f"--protect {told!r} is not known", hint="passphrase-file:FILE, aws-kms:ARN or gcp-kms:projects/…"
        )
    return read_passphrase(Path(path))
