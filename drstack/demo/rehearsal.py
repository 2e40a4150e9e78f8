"""The rehearsal before the disaster: a recipient comes back from its sheet of paper alone and restores something.

An encrypted environment is not ready before: keys that nobody tried are a hope.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import DemoFailed
from replicator.crypto.keyring import Keyring
from replicator.crypto.sheet import LINES
from replicator.crypto.trust import FILE, read_trust, write_trust
from replicator.repository.custody import recover_key
from replicator.repository.readiness import note_restore
from replicator.repository.repository import Repository, newest_recovery_point
from replicator.repository.restore import restore
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.model import Level


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Who restored what, in how many seconds, once there was something to restore."""

    recipient: str
    step: int
    seconds: float
    size_bytes: int


def rehearse(
    custody: Path, recipient: str, url: str, workload: str, demanded: tuple[Level, ...], scratch: Path, *, deadline_s: float
) -> Rehearsed:  # fmt: skip
    """With the trust file and the recipient's sheet alone, restore the newest recovery point of the repository at `url`.

    DemoFailed if there is none within `deadline_s`.
    """
    keys = _from_paper(custody, recipient, scratch / "keys")
    repository = Repository("rehearsal", open_store(url), keys=keys, memory=scratch / "seen")
    accepted = _await_point(repository, workload, demanded, deadline_s)
    began = time.monotonic()
    restored = restore(repository, accepted, scratch / "restored" / accepted.what.name)
    note_restore(repository, accepted)
    return Rehearsed(recipient, accepted.what.step, round(time.monotonic() - began, 3), restored.size_bytes)


def _from_paper(custody: Path, recipient: str, folder: Path) -> Keyring:
    """What a person has who comes with a sheet and a copy of the trust file."""
    folder.mkdir(parents=True, mode=0o700)
    write_trust(folder, read_trust(custody))
    lines = [line for line in (custody / "sheets" / f"{recipient}.txt").read_text().splitlines() if line.strip()]
    keys = Keyring(folder)
    recover_key(keys, recipient, _typed(lines))
    if recipient not in keys.names():
        raise DemoFailed(f"{recipient} did not come back from its sheet; {folder / FILE} is there")
    return keys


def _typed(lines: list[str]) -> list[str]:
    """The sheet's numbered lines, as a person types them: without the numbers."""
    numbered = [line.split(maxsplit=1) for line in lines]
    return [found[1].strip() for n in range(1, LINES + 1) for found in numbered if found[0].rstrip(".:") == str(n)]


def _await_point(repository: Repository, workload: str, demanded: tuple[Level, ...], deadline_s: float) -> Accepted:
    ends = time.monotonic() + deadline_s
    while time.monotonic() < ends:
        found = newest_recovery_point(repository, workload, demanded)
        if found is not None:
            return found
        time.sleep(0.2)
    raise DemoFailed(f"{repository.store.url} had nothing to restore within {deadline_s:g} s: nobody could rehearse")
