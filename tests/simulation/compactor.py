"""Who encodes checkpoints anew while others push, restore and promote (DESIGN, section 6; docs/format.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import NotOpen, OutcomeUnknown, Sealed, StoreUnavailable, TermRegressed
from replicator.log.claim import claim
from replicator.log.entries import Compact
from replicator.model import PackRef, Where
from replicator.repository.retain import removable
from replicator.retention.compaction import compact_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted, LogView
    from tests.simulation.schedule import Actor
    from tests.simulation.world import World

TROUBLE = (Sealed, NotOpen, OutcomeUnknown, StoreUnavailable, TermRegressed)
BYTES_AFTER, NOW = 0.5, 1.0


def compactor(world: World, name: str, *, rounds: int = 2) -> Callable[[Actor], None]:
    """Encodes the oldest anew, and removes what nothing needs when every push before that ended."""

    def live(actor: Actor) -> None:
        log, store = world.log(actor, name), world.store(actor, name)
        for _ in range(rounds):
            actor.wait("look for what to compact", lambda: len(world.view(name).accepted) > 1)
            try:
                view = log.view()
                if not view.writable or not view.accepted:
                    continue
                chosen = view.in_order()[0]
                where = encode_anew(world, actor, name, chosen)
                if world.bug == "deletes, then compacts":
                    _delete(world, actor, name, chosen)
                if log.append(lambda now, old=chosen, new=where, term=view.term: _decide(now, old, new, term)) is None:
                    continue
                if world.bug == "compacts, then deletes what it saw":
                    _delete(world, actor, name, chosen)
                    continue
                before = frozenset(world.busy)
                actor.wait("grace", lambda before=before: not before & world.busy)
                for pack in sorted(removable(log.view(), [], now=NOW)[0]):
                    store.delete(f"packs/{pack}")
            except TROUBLE:
                return

    return live


def encode_anew(world: World, actor: Actor, name: str, chosen: Accepted) -> Where:
    """Its contents in a pack of its own, which is put."""
    pack = PackRef(digest=f"anew-{chosen.what.id()}-{actor.token()}", size_bytes=1)
    claim(world.store(actor, name), f"packs/{pack.digest}", b"bytes", sleep=lambda _: None)
    return Where(manifest=PackRef(digest=f"manifest-{pack.digest}", size_bytes=1), packs=(pack,), shipped_bytes=1)


def _decide(view: LogView, old: Accepted, where: Where, term: int) -> Compact | None:
    made = compact_entry(view, old, where, term=term, bytes_after=BYTES_AFTER, reason="simulated")
    return made if isinstance(made, Compact) else None


def _delete(world: World, actor: Actor, name: str, chosen: Accepted) -> None:
    for pack in chosen.where.packs:
        world.store(actor, name).delete(f"packs/{pack.digest}")
