"""Puts together what stands in for a witness that is away: the target's repository, the logs, what was last seen.

`drstack.recovery.unwitnessed` says when it may be used, `drstack.witness.stand_in` what it holds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown, NotReady
from drstack.recovery.unwitnessed import require_away
from drstack.witness.repair import survey
from drstack.witness.stand_in import bring_up, open_stand_in
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from drstack.witness.seen import Seen
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Unwitnessed:
    """`kit`: the `witness/` of a recovery kit, for what this machine never saw. `touch`: whether anything may be written.

    `found_away`: it was asked just now and did not answer, and is not asked again.
    """

    kit: Path | None = None
    touch: bool = True
    found_away: bool = False


def noting(witness: Witness, seen: Seen) -> Callable[[str], dict[str, Any] | None]:
    """A site's descriptor from the witness, kept for when that is away."""

    def described(site: str) -> dict[str, Any] | None:
        body = witness.descriptor(site)
        if body is not None:
            seen.note_descriptor(site, body)
        return body

    return described


def stand_in_for(
    witness: Witness, workloads: Collection[str], repositories: Mapping[str, Repository], target: str, seen: Seen,
    without: Unwitnessed, *, clock: Callable[[], float], by: str,
) -> Witness:  # fmt: skip
    """PromotionRefused where the witness answers; EnvironmentUnknown, NotReady, WitnessUnsound."""
    name = witness.environment
    if target not in repositories:
        raise EnvironmentUnknown(
            f"the witness is away, and this machine has never seen the descriptor of {target!r}",
            hint=f"Name a recovery kit: drstack promote {name} --to {target} --without-witness --kit PATH --reason '…'",
        )
    stand_in = open_stand_in(repositories[target].store, name, clock=clock, token=random_token)
    found = survey(repositories, workloads)
    if target in found.unread:
        raise NotReady(
            f"{target}'s repository cannot be read: {found.unread[target]}",
            hint="Repair it, or promote to another site.",
        )
    if not without.found_away or without.touch:
        require_away(witness, stand_in)
    if not without.touch:
        stand_in = Witness(memory_store(), name, clock=clock, token=random_token)
    bring_up(stand_in, found, seen.assignment(), by=by)
    return stand_in


def stand_ins(repositories: Mapping[str, Repository], environment: str) -> Callable[[str], Witness | None]:
    """By site, the stand-in that its repository may hold."""

    def of(site: str) -> Witness | None:
        repository = repositories.get(site)
        if repository is None:
            return None
        return open_stand_in(repository.store, environment, clock=time.time, token=random_token)

    return of
