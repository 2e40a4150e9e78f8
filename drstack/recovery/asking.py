"""Whose word a plan takes, with which keys it is signed, and what the signature is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import ApprovalRefused, WitnessUnsound
from drstack.recovery.quorum import Subject
from replicator.errors import KeyAbsent

if TYPE_CHECKING:
    from drstack.recovery.quorum import Quorum
    from drstack.recovery.world import World
    from replicator.crypto.keyring import Keyring


def quorum_of(world: World, kind: str) -> Quorum:
    """ApprovalRefused where the environment asks nobody."""
    quorum = world.quorums.get(kind)
    if quorum is None:
        raise ApprovalRefused(f"nobody has to approve a {kind} of {world.environment}")
    return quorum


def subject_of(world: World, kind: str, plan: str) -> Subject:
    identity = world.witness.environment_id()
    if identity is None:
        raise WitnessUnsound(
            f"the witness {world.witness.url} names no environment {world.environment}",
            hint=f"drstack witness repair {world.environment} --plan says what it lacks.",
        )
    return Subject(world.environment, identity, kind, plan)


def keys_of(world: World) -> Keyring:
    if world.keys is None:
        raise KeyAbsent(f"approvals of {world.environment} are signed, and no keys are at hand")
    return world.keys
