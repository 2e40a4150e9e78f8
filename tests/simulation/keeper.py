"""Who takes checkpoints away, and who must not lose one while it reads: keeper and restorer (DESIGN, rule 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import (
    KeyMissing,
    NothingToRestore,
    NotOpen,
    OutcomeUnknown,
    ReplicatorError,
    Sealed,
    StoreUnavailable,
    TermRegressed,
)
from replicator.repository.retain import drop_entry, removable
from replicator.retention.decide import Decision, retain
from replicator.retention.policy import Policy
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.entries import Drop
    from replicator.log.replay import LogView
    from tests.simulation.schedule import Actor
    from tests.simulation.store import SimStore, Still

KEEP = 1
POLICY = Policy(last=KEEP)
TROUBLE = (Sealed, NotOpen, OutcomeUnknown, StoreUnavailable, TermRegressed)


def keeper(world: World, name: str, *, rounds: int = 2) -> Callable[[Actor], None]:
    """Keeps the newest; drops the rest by winning a slot; deletes bytes when every push before it ended."""

    def live(actor: Actor) -> None:
        if world.bug == "re-check, then delete":
            _recheck_then_delete(world, actor, name)
            return
        log, store = world.log(actor, name), world.store(actor, name)
        for _ in range(rounds):
            actor.wait("look for old ones", lambda: len(world.view(name).accepted) > KEEP)
            try:
                if log.append(_decide) is None:
                    continue
                before = frozenset(world.busy)
                actor.wait("grace", lambda before=before: not before & world.busy)
                packs, _ = removable(log.view(), [], now=1.0)
                for pack in sorted(packs):
                    store.delete(f"packs/{pack}")
            except TROUBLE:
                return

    return live


def _decide(view: LogView) -> Drop | None:
    if not view.writable:
        return None
    return drop_entry(retain(view, POLICY, now=0.0, attested=lambda _: True), term=view.term, bytes_after=0.5)


def _recheck_then_delete(world: World, actor: Actor, name: str) -> None:
    """The planted bug: looks, looks again just before, deletes, and only then tells the log."""
    log, store = world.log(actor, name), world.store(actor, name)
    actor.wait("look for old ones", lambda: len(world.view(name).accepted) > KEEP)
    first = retain(log.view(), POLICY, now=0.0, attested=lambda _: True).drop
    again = log.view()
    decided = {
        key: why for key, why in retain(again, POLICY, now=0.0, attested=lambda _: True).drop.items() if key in first
    }
    needed = {pack.digest for key, each in again.accepted.items() if key not in decided for pack in each.where.packs}
    for key in sorted(decided):
        for pack in again.accepted[key].where.packs:
            if pack.digest not in needed:
                store.delete(f"packs/{pack.digest}")
    try:
        log.append(lambda view: drop_entry(Decision({}, decided), term=view.term, bytes_after=0.0))
    except ReplicatorError:
        return


def restorer(world: World, name: str, *, holds: bool = False) -> Callable[[Actor], None]:
    """Pins the oldest checkpoint, reads its packs, lets go of it unless it `holds` it."""

    def live(actor: Actor) -> None:
        log, store = world.log(actor, name), world.store(actor, name)
        actor.wait("look for something", lambda: bool(world.view(name).accepted))
        try:
            view = log.view()
            if not view.accepted:
                return
            chosen = view.in_order()[0]
            log.pin(actor.name, chosen.what.id(), reason="restore", term=view.term)
            if world.bug != "reads what it saw before its pin":
                chosen = log.view().accepted.get(chosen.what.id(), chosen)
            _read(world, store, actor, [pack.digest for pack in chosen.where.packs])
            if not holds:
                log.unpin(actor.name, term=view.term)
        except (NothingToRestore, *TROUBLE):
            return

    return live


def _read(world: World, store: SimStore | Still, actor: Actor, packs: list[str]) -> None:
    """Under its pin, however long it takes: no grace protects it."""
    for pack in packs:
        try:
            store.get(f"packs/{pack}")
        except KeyMissing:
            world.broken_restores.append(f"{actor.name} pinned a checkpoint and did not find its pack {pack}")
