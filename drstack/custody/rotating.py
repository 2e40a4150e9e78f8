"""A rotation carried out: custody's decisions, brought to the site, to the witness and to every repository.

Invariant: the site has its new keys before any term lists them, and has forgotten the old ones before it is written down
how far these were used. What is out of reach is told, and done by the same command later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from drstack.assembly import assemble
from drstack.custody.make import extend
from drstack.custody.ring import SITES, open_keys
from drstack.custody.rotate import Successors, end_old, successors, wrap_to_reader, writers_to_open
from drstack.errors import DrstackError, EnvironmentUnknown, WitnessUnsound
from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.keys import forget_keys, place_keys, spread_trust
from drstack.spec.keys import READER
from replicator.crypto.keyfile import SUFFIX
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.world import World
    from drstack.spec import Environment
    from drstack.witness.assignment import Assignment
    from replicator.crypto.keyring import Keyring

SETTLE_S = 2.0
"""What was being signed with an old key is there by then."""


class Reopen(Protocol):
    """Open new terms of what `writer` writes, whose assignments list `keys_for(writer)`."""

    def __call__(self, writer: str, keys_for: Callable[[str], tuple[str, ...]]) -> object: ...


@dataclass(frozen=True, slots=True)
class Rotated:
    """`assignment`: since which `new` count. `left`: what could not be done yet, in words."""

    site: str
    new: tuple[str, ...]
    revoked: tuple[str, ...]
    assignment: int
    left: tuple[str, ...]


def rotate_keys(
    declared: Environment, root: Path, site: str, reason: str, reopen: Reopen, *,
    sleep: Callable[[float], None] = time.sleep,
) -> Rotated:  # fmt: skip
    """Replace a site's keys. Everything it does is convergent; KeyAbsent, StepFailed and what else a promotion raises."""
    keys = _keys(declared, root, site)
    made = successors(declared, site, keys.trust)
    extend(keys, made.new)
    world = assemble(declared, root, None, progress=_Silent())
    folder = _folder(world, site)
    left: list[str] = []
    if folder is None:
        left.append(f"the folder of {site} is out of reach: drstack up {declared.environment} brings it the new keys")
    else:
        place_keys(folder, keys.folder, site)
        forget_keys(folder, [name for name in made.old if not name.startswith(READER)])
    spread_trust(keys.trust)
    unwrapped = wrap_to_reader(keys, made, world.repositories)
    if folder is not None and not unwrapped:
        forget_keys(folder, made.old)
    for writer in writers_to_open(_assignment(world), made):
        reopen(writer, lambda each: made.lists(keys.trust, each))
    if made.old:
        sleep(SETTLE_S)
    revoked, pending = _revoke(keys, made, world, reason)
    return Rotated(
        site, tuple(each.name for each in made.new), revoked, _assignment(world).number,
        (*left, *unwrapped, *pending),
    )  # fmt: skip


def _keys(declared: Environment, root: Path, site: str) -> Keyring:
    if site not in declared.sites:
        raise EnvironmentUnknown(
            f"environment {declared.environment} has no site {site!r}",
            hint=f"Its sites are: {', '.join(declared.sites)}.",
        )
    keys = open_keys(declared, root)
    if keys is None:
        raise DrstackError(f"environment {declared.environment} has no keys (crypto: none)", hint="drstack check ENV.")
    return keys


def _folder(world: World, site: str) -> SiteFolder | None:
    told = world.witness.descriptor(site) or {}
    folder = Path(str(told["folder"])) if told.get("platform") == "local" else None
    return SiteFolder(folder) if folder is not None and (folder / "site.json").exists() else None


def _assignment(world: World) -> Assignment:
    current = world.witness.current()
    if current is None:
        raise WitnessUnsound(f"the witness knows no {world.environment}", hint=f"drstack up {world.environment}")
    return current


def _revoke(keys: Keyring, made: Successors, world: World, reason: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was revoked, and what keeps the rest from it: a repository that cannot say how far its logs are."""
    try:
        end_old(keys, made.old, world.repositories, reason)
    except ReplicatorError as error:
        return (), (f"{', '.join(made.old)} count in no term any more, and are not revoked yet: {error}",)
    for name in made.old:
        (keys.folder / SITES / made.site / f"{name}{SUFFIX}").unlink(missing_ok=True)
    spread_trust(keys.trust)
    return made.old, ()


class _Silent:
    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        del step, seconds, detail
