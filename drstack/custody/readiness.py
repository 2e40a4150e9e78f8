"""Whether an environment's keys were ever tried: by a recipient in custody, that restored something from a repository.

Until then it is NOT READY: what is encrypted to keys that nobody tried may be lost.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.spec.keys import site_of
from replicator.errors import ReplicatorError
from replicator.repository.readiness import restored_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.crypto.keyring import Keyring
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Readiness:
    """`restored_by`: recipients in custody, by their own signed word. `command`: what makes it ready; None if it is."""

    suite: str
    restored_by: tuple[str, ...]
    command: str | None = None
    why: str | None = None
    """Which repositories could not be asked."""

    @property
    def ready(self) -> bool:
        return self.command is None

    def document(self) -> dict[str, object]:
        return {
            "suite": self.suite, "ready": self.ready, "restored_by": list(self.restored_by), "command": self.command,
            "why": self.why,
        }  # fmt: skip


PLAIN = Readiness("none", ())
"""Of an environment without keys: there is nothing to try."""


def readiness(keys: Keyring | None, repositories: Mapping[str, Repository], writers: Mapping[str, str]) -> Readiness:
    """`writers`: by workload that is stored, the site that writes it. Asks every repository that can be reached."""
    if keys is None:
        return PLAIN
    tried: set[str] = set()
    away: list[str] = []
    for name, repository in repositories.items():
        try:
            tried |= {by for by in restored_by(repository) or () if site_of(by) is None}
        except ReplicatorError as error:
            away.append(f"{name}: {error}")
    why = "; ".join(away) or None
    if tried:
        return Readiness(keys.trust.suite, tuple(sorted(tried)), None, why)
    return Readiness(keys.trust.suite, (), _command(keys, repositories, writers), why)


def _command(keys: Keyring, repositories: Mapping[str, Repository], writers: Mapping[str, str]) -> str:
    """From a repository that would be restored from: one of a site that does not write."""
    workload, writer = next(iter(writers.items()), ("WORKLOAD", ""))
    best = next((name for name in repositories if name != writer), next(iter(repositories), None))
    url = repositories[best].store.url if best is not None else "URL"
    at_hand = [key for key in keys.trust.recipients() if site_of(key.name) is None and key.name in keys.names()]
    folder = str(keys.folder) if at_hand else "FOLDER-WITH-A-RECIPIENT"
    given = ["--repo", url, "--workload", workload, "--keys", folder, "--to", "rehearsal"]
    return shlex.join(["drstack", "restore", "latest", *given])
