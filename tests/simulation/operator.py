"""The operator: seals, then the assignment that names the seals, then opens (DESIGN, rule 4). And how to get it wrong.

`world.bug` plants one of the designs that research on the protocol found broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import OutcomeUnknown, Sealed, StoreUnavailable, TermRegressed
from replicator.log.covering import settle
from replicator.log.entries import SealRef
from replicator.log.replay import replay
from tests.simulation.world import Assignment, World, bring_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.log.replay import LogView
    from replicator.log.slots import SlotLog
    from tests.simulation.schedule import Actor


def operator(
    world: World, target: str, *, acknowledge: tuple[str, ...] | None = None, tries: int = 2
) -> Callable[[Actor], None]:
    """Promotes `target`. `acknowledge` changes the acknowledging set with the same assignment (rule 5)."""
    return lambda actor: world.promote(actor, target, acknowledge, tries)


class ModelWorld(World):
    """A world in which promotion is what stands below."""

    def promote(self, actor: Actor | None, target: str, acknowledge: tuple[str, ...] | None, tries: int) -> None:
        witness = self.witness(actor)
        facts: Assignment | None = None
        for _ in range(tries):
            try:
                if facts is None or self.bug != "reuse of a lost slot's decision":
                    facts = _look_and_seal(self, actor, self.current(actor), target, acknowledge)
                made = _assign(self, witness, facts)
            except (StoreUnavailable, OutcomeUnknown, TermRegressed):
                return
            if made:
                _open_everywhere(self, actor, self.current(actor))
                return


def _look_and_seal(
    world: World, actor: Actor | None, current: Assignment, target: str, acknowledge: tuple[str, ...] | None
) -> Assignment:
    """The assignment to be made: every reachable repository is sealed; the loss of one that may have acknowledged and
    cannot be sealed is consented to. What earlier terms came to was decided when those ended."""
    seals: list[SealRef] = []
    unknown: list[str] = []
    sealed: dict[str, LogView] = {}
    for name in world.repositories:
        try:
            slot, sealed[name] = _seal(world, actor, name, current.term)
        except (StoreUnavailable, OutcomeUnknown):
            unknown += [name] if name in current.acknowledge else []
            continue
        seals += slot
    heads, counters = dict(current.heads), dict(current.counters)
    first = () if world.bug == "no word from those that acknowledge" else current.acknowledge
    best_first = sorted(sealed, key=lambda name: (name not in first, name))
    head, runs = settle(_counted(world, actor, name, sealed[name], current.term) for name in best_first)
    if head:
        heads[str(current.term)], counters[str(current.term)] = head, runs
    if world.bug == "heads without counters":
        counters = {}
    if world.bug == "heads of every term taken from the seals":
        for view in sealed.values():
            heads |= {term: max(height, heads.get(term, 0)) for term, height in view.heads().items()}
    return Assignment(
        current.number + 1, target, acknowledge or current.acknowledge, tuple(seals), heads, tuple(unknown), counters
    )


def _seal(world: World, actor: Actor | None, name: str, term: int) -> tuple[list[SealRef], LogView]:
    """The seal, and what the log says below it."""
    log = world.log(actor, name)
    if world.bug == "list-then-put":
        return [], log.view()
    slot = log.seal(term, reason="promotion", operation=actor.name if actor else "nobody")
    return [SealRef(repository=name, slot=slot.n, digest=slot.digest)], replay(log.entries()[: slot.n])


def _counted(world: World, actor: Actor | None, name: str, view: LogView, term: int) -> dict[int, str]:
    held = view.counted(term)
    if world.bug == "receipts-only seal":
        seen = {key.rpartition("/")[2] for key in world.store(actor, name).list("receipts")}
        return {height: counter for height, counter in held.items() if f"{term}.{height}" in seen}
    return held


def _assign(world: World, witness: SlotLog, facts: Assignment) -> bool:
    """Whether the slot that the facts were taken for is ours."""

    def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, object]] | None:
        reuse = world.bug == "reuse of a lost slot's decision"
        return ("assignment", facts.body()) if len(records) == facts.number - 1 or reuse else None

    return witness.append(decide) is not None


def _open_everywhere(world: World, actor: Actor | None, assignment: Assignment) -> None:
    for name in world.repositories:
        try:
            bring_up_to(world.log(actor, name), assignment)
        except (Sealed, StoreUnavailable, OutcomeUnknown, TermRegressed):
            continue
