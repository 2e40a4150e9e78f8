"""The lost site comes back as it was, and does not know that it was replaced: what it offers, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.demo import zombie
from drstack.demo.disaster import bring_back
from drstack.demo.sites import resurrect, stop_everything
from drstack.errors import DemoFailed
from drstack.platforms.local.folder import site_folder
from replicator.log.covering import uncovered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.demo.zombie import Offer
    from drstack.recovery.world import World


def return_the_dead(
    kept: Path, site: Path, workload: str, *, deadline_s: float, say: Callable[[str], None]
) -> tuple[list[Offer], int]:
    """Bring it back from `kept`, have it offer what it has, and stop it. Returns its offers, and torn checkpoints it had."""
    say(f"{site.name} comes back as it was, and does not know that it was replaced")
    bring_back(kept, site)
    folder = site_folder(site)
    torn = [p for p in folder.checkpoints(f"checkpoints/{workload}").iterdir() if not (p / ".metadata").exists()]
    resurrect(folder)
    offers = zombie.await_refusal(site, workload, deadline_s=deadline_s, say=say)
    say(f"{site.name} offered {len(offers)} commits: refused ({offers[0].why})")
    stop_everything([site])
    return offers, len(torn)


def own_tail(world: World, workload: str, lost: str) -> list[Offer]:
    """Commits in the lost site's own log that stood there once and are void."""
    return zombie.own_tail(world.repositories[lost].log(workload).view())


def still_standing(world: World, workload: str) -> int:
    """How many commits stand in any log that the newest assignment does not cover: accepted from a replaced writer."""
    current = world.witness.current()
    if current is None:
        raise DemoFailed("the witness lost its assignment")
    opening = current.opening(workload)
    return sum(
        uncovered(opening, accepted.what) is not None
        for repository in world.repositories.values()
        for accepted in repository.log(workload).view().accepted.values()
    )
