"""Who takes the next slot without a look at what the log says: old versions, and processes that should be dead.

The log cannot keep them from writing. It keeps what they write from counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import OutcomeUnknown, StoreUnavailable, TermRegressed
from replicator.log.entries import Commit, Compact, Drop, Entry, to_record
from replicator.log.slots import SlotLog
from replicator.model import Id, PackRef, What, Where
from replicator.repository.retain import drop_entry
from replicator.retention.decide import retain
from replicator.retention.policy import Policy
from tests.simulation.compactor import encode_anew
from tests.simulation.world import WORKLOAD, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Actor

TROUBLE = (StoreUnavailable, OutcomeUnknown, TermRegressed)


def zombie(world: World, name: str, heights: tuple[int, ...]) -> Callable[[Actor], None]:
    """Commits in term 1 for ever, whatever was sealed, on the base that it saw first, under heights of its own choice."""

    def live(actor: Actor) -> None:
        actor.wait("look for a base", lambda: bool(world.view(name).accepted) or world.view(name).sealed > 0)
        try:
            seen = world.log(actor, name).view().in_order()
        except TROUBLE:
            return
        base = Id(term=seen[-1].what.term, height=seen[-1].what.height) if seen else None
        packs = seen[-1].where.packs if seen else ()
        for height in heights:
            actor.wait("wake up", lambda: True)
            what = What(
                workload=WORKLOAD, name="c", term=1, height=height, step=height, attempt=f"east-{actor.name}",
                root=f"{actor.name}-{height}", size_bytes=1, files=1, saved_at=0.0,
            )  # fmt: skip
            where = Where(manifest=_manifest(what), packs=packs, base=base, shipped_bytes=1)
            if not _push_in(world, actor, name, Commit(term=1, what=what, where=where)):
                return

    return live


def sleeper(world: World, name: str) -> Callable[[Actor], None]:
    """A push of the open term, on the oldest that stood, that wakes when something was encoded anew; nobody waits for it."""

    def live(actor: Actor) -> None:
        actor.wait("look for a base", lambda: len(world.view(name).accepted) > 1)
        try:
            view = world.log(actor, name).view()
        except TROUBLE:
            return
        if not view.accepted or not view.term:
            return
        oldest, writer = view.in_order()[0], view.opened[view.term].writer
        for height in (61, 62):
            actor.wait("sleep", lambda: bool(world.view(name).replaced))
            what = What(
                workload=WORKLOAD, name="c", term=view.term, height=height, step=height, attempt=f"{writer}-{actor.name}",
                root=f"{actor.name}-{height}", size_bytes=1, files=1, saved_at=0.0,
            )  # fmt: skip
            base = Id(term=oldest.what.term, height=oldest.what.height)
            where = Where(manifest=_manifest(what), packs=oldest.where.packs, base=base, shipped_bytes=1)
            if not _push_in(world, actor, name, Commit(term=view.term, what=what, where=where)):
                return

    return live


def stale_keeper(world: World, name: str) -> Callable[[Actor], None]:
    """Decides once, and takes whatever slot it gets with that."""

    def live(actor: Actor) -> None:
        actor.wait("look for old ones", lambda: len(world.view(name).accepted) > 1)
        try:
            view = world.log(actor, name).view()
        except TROUBLE:
            return
        decided = drop_entry(
            retain(view, Policy(last=1), now=0.0, attested=lambda _: True), term=max(view.term, 1), bytes_after=0.5
        )
        if isinstance(decided, Drop):
            actor.wait("dream", lambda: True)
            _push_in(world, actor, name, decided)

    return live


def copier(world: World, source: str, target: str) -> Callable[[Actor], None]:
    """Copies what an earlier term left in one repository into the open term of another, covered or not."""

    def live(actor: Actor) -> None:
        actor.wait("look for a later term", lambda: world.view(target).term > 1)
        try:
            view = world.log(actor, target).view()
            entries = world.log(actor, source).entries()
        except TROUBLE:
            return
        for entry in entries:
            if isinstance(entry, Commit) and entry.what.term < view.term and entry.what.id() not in view.accepted:
                where = Where(manifest=_manifest(entry.what), packs=(), shipped_bytes=1)
                if not _push_in(world, actor, target, Commit(term=view.term, what=entry.what, where=where)):
                    return

    return live


def _manifest(what: What) -> PackRef:
    return PackRef(digest=f"manifest-{what.root}", size_bytes=1)


def stale_compactor(world: World, name: str) -> Callable[[Actor], None]:
    """Encodes anew what it saw once, and takes whatever slot it gets with that."""

    def live(actor: Actor) -> None:
        actor.wait("look for old ones", lambda: len(world.view(name).accepted) > 1)
        try:
            view = world.log(actor, name).view()
            if not view.accepted:
                return
            chosen = view.in_order()[0]
            where = encode_anew(world, actor, name, chosen)
        except TROUBLE:
            return
        actor.wait("dream", lambda: True)
        commit = Id(term=chosen.what.term, height=chosen.what.height)
        _push_in(world, actor, name, Compact(term=max(view.term, 1), commit=commit, where=where, bytes_after=0.5))

    return live


def _push_in(world: World, actor: Actor, name: str, entry: Entry) -> bool:
    store = world.store(actor, name)
    slots = SlotLog(store, f"log/{WORKLOAD}", clock=lambda: 0.0, token=actor.token, sleep=lambda _: None)
    try:
        slots.append(lambda _: to_record(entry))
    except TROUBLE:
        return False
    return True
