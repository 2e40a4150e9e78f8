"""The dead site comes back as it was, and offers what it has. Counted: what was offered, and what any log accepted.

Two ways: its own replicator, unchanged, with its own spool; and a writer that holds the log's old state in memory and
tries at the most dangerous moment, between the seals and the assignment.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import DemoFailed
from drstack.platforms.local.folder import site_folder
from replicator.errors import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.log.replay import LogView
    from replicator.model import What, Where
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Offer:
    at: float
    what: str
    accepted: bool
    why: str


def offer_once(repository: Repository, workload: str, term: int) -> Offer:
    """Offer a copy of the newest commit as the next one of `term`, as a writer would that paused before its commit."""
    log = repository.log(workload)
    newest = max(log.view().accepted.values(), key=lambda accepted: accepted.what.id())
    height = max(key.height for key in log.view().accepted if key.term == term) + 1
    what: What = newest.what.model_copy(update={"term": term, "height": height, "attempt": "zombie"})
    where: Where = newest.where
    try:
        log.commit(what, lambda _: where, term=term)
    except Sealed as error:
        return Offer(time.time(), f"commit {term}.{height}", accepted=False, why=str(error))
    return Offer(time.time(), f"commit {term}.{height}", accepted=True, why="no seal stood in its way")


def await_refusal(site: Path, workload: str, *, deadline_s: float, say: Callable[[str], None]) -> list[Offer]:
    """Wait until the returned site's replicator has offered something and was refused. DemoFailed if it never does."""
    status = site_folder(site).replicator_status
    ends = time.monotonic() + deadline_s
    said = time.monotonic()
    while time.monotonic() < ends:
        offers = _refused(status, workload)
        if offers:
            return offers
        if time.monotonic() - said > 3:  # noqa: PLR2004
            said = time.monotonic()
            say("waiting for the returned site to offer its commits")
        time.sleep(0.1)
    raise DemoFailed(f"the returned site {site.name} offered nothing within {deadline_s:g} s: the test shows nothing")


def _refused(status: Path, workload: str) -> list[Offer]:
    try:
        found = json.loads(status.read_bytes())["workloads"][workload]
    except (FileNotFoundError, ValueError, KeyError):
        return []
    offers: list[Offer] = []
    for name, destination in found["destinations"].items():
        for n in range(destination["refused"]):
            why = str(found["sealed"])
            offers.append(Offer(found.get("at", time.time()), f"commit {n + 1} to {name}", accepted=False, why=why))
    return offers


def own_tail(view: LogView) -> list[Offer]:
    """Commits of the returned site's own log that its new `open` does not cover: accepted there once, void now."""
    return [
        Offer(time.time(), f"commit {void.commit} in its own log", accepted=False, why=void.reason)
        for void in view.void
        if void.kind == "commit" and void.commit is not None
    ]
