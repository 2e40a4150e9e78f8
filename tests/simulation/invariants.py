"""What must hold when a run is over, wherever it stopped (DESIGN, section 2). Read off the stores, not off the actors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import Sealed
from replicator.log.entries import Commit, Seal
from replicator.log.replay import replay
from tests.simulation.world import World, bring_up_to

if TYPE_CHECKING:
    from replicator.log.replay import LogView
    from replicator.model import CommitId
    from tests.simulation.schedule import Scheduler
    from tests.simulation.world import Ack, Assignment


def violations(world: World, scheduler: Scheduler) -> list[str]:
    """Every broken promise, in words."""
    found = [f"{name} crashed: {error!r}" for name, error in scheduler.crashes.items()]
    found += world.broken_restores
    found += _assignments_agree(world)
    found += _seals_are_what_assignments_say(world)
    _repair(world)
    for name in world.repositories:
        view = world.view(name)
        found += _no_zombie_is_accepted(world, name, view)
        found += _what_stands_is_whole(world, name, view)
        found += _pins_and_bases_held(world, name, view)
    found += _acknowledged_is_kept(world)
    found += _replay_accepts_what_assignments_accept(world)
    found += _what_was_decided_stays_decided(world)
    found += _one_name_one_content(world)
    return found


def _repair(world: World) -> None:
    """What is left to do is done by whoever comes next: each repository is brought up to the newest assignment.

    Where an operator sealed and made no assignment, that takes another one (DESIGN, section 1: an abort after a seal).
    """
    world.away_until = {}
    newest = world.assignments()[-1]
    try:
        for name in world.repositories:
            bring_up_to(world.log(None, name), newest)
    except Sealed:
        world.bug = "sparse slots" if world.bug == "sparse slots" else ""
        world.promote(None, newest.writer, None, 1)


def _assignments_agree(world: World) -> list[str]:
    """At most one assignment per number: whatever anybody believed to stand, stands."""
    stand = {each.number: each for each in world.assignments()}
    return [
        f"{actor} believes in an assignment {each.number} for {each.writer} that does not stand"
        for actor, known in world.known.items()
        for each in known
        if stand.get(each.number) != each
    ]


def _seals_are_what_assignments_say(world: World) -> list[str]:
    found: list[str] = []
    logs = {name: world.log(None, name) for name in world.repositories}
    for assignment in world.assignments():
        for ref in assignment.seals:
            entries = logs[ref.repository].entries()
            slot = entries[ref.slot - 1] if ref.slot <= len(entries) else None
            if not isinstance(slot, Seal) or slot.term < assignment.number - 1:
                found.append(f"assignment {assignment.number} names slot {ref.slot} of {ref.repository}: {slot}")
            elif logs[ref.repository].slot(ref.slot).digest != ref.digest:
                found.append(f"assignment {assignment.number} names another seal of {ref.repository}")
    return found


def _no_zombie_is_accepted(world: World, name: str, view: LogView) -> list[str]:
    """Judged without replay: by the seals below a commit's slot, and by who was to write in its term."""
    writers = {each.term: each.writer for each in world.assignments()}
    entries = world.log(None, name).entries()
    found: list[str] = []
    for key, accepted in view.accepted.items():
        entry = entries[accepted.slot - 1]
        assert isinstance(entry, Commit)
        if any(isinstance(below, Seal) and below.term >= entry.term for below in entries[: accepted.slot - 1]):
            found.append(f"{name} accepts {key} from above a seal of its term")
        if not accepted.what.attempt.startswith(writers.get(key.term, "nobody")):
            found.append(f"{name} accepts {key} of {accepted.what.attempt}; {writers.get(key.term)} was to write")
    return found


def _what_stands_is_whole(world: World, name: str, view: LogView) -> list[str]:
    there = world.objects[name]
    found = [
        f"{name}: {key} stands and its pack {pack.digest} is gone"
        for key, accepted in view.accepted.items()
        for pack in accepted.where.packs
        if f"packs/{pack.digest}" not in there
    ]
    if view.dropped and not view.accepted and not _was_left_behind(world, name):
        found.append(f"{name}: the last recovery point was dropped")
    return found


def _pins_and_bases_held(world: World, name: str, view: LogView) -> list[str]:
    found = [
        f"{name}: {key} is pinned as {pin} and was dropped" for pin, key in view.pins.items() if key in view.dropped
    ]
    entries = world.log(None, name).entries()
    for key, accepted in view.accepted.items():
        base = accepted.where.base
        if base is not None and base.key() not in replay(entries[: accepted.slot - 1]).accepted:
            found.append(f"{name}: {key} stands on {base.key()}, which did not stand when it was committed")
    return found


def _was_left_behind(world: World, name: str) -> bool:
    """Whether a term ended without it: what it kept for its newest then counts no more, by consent."""
    return any(name not in {ref.repository for ref in each.seals} for each in world.assignments()[1:])


def _acknowledged_is_kept(world: World) -> list[str]:
    found: list[str] = []
    for ack in world.acks:
        if set(ack.repositories) <= _unknown_losses(world, ack):
            continue
        for name in ack.repositories:
            view = world.view(name)
            gone = view.dropped.get(ack.commit)
            stands = view.accepted.get(ack.commit) or (gone[0] if gone else None)
            if stands is None:
                found.append(f"{ack.commit} was acknowledged and {name} does not accept it")
            elif stands.what.root != ack.root:
                found.append(f"{ack.commit} was acknowledged and {name} holds another checkpoint under its name")
    return found


def _unknown_losses(world: World, ack: Ack) -> set[str]:
    """Repositories whose loss was consented to when the term of the commit ended."""
    ending = next((each for each in world.assignments() if each.term > ack.commit.term), None)
    return set(ending.unknown) if ending else set()


def _replay_accepts_what_assignments_accept(world: World) -> list[str]:
    """Of the term that an assignment ended, each sealed log keeps what stood below its seal, and the heads say so.

    Unless another sealed log held another checkpoint under that name: one of them goes, never both.
    """
    found: list[str] = []
    entries = {name: world.log(None, name).entries() for name in world.repositories}
    for assignment in world.assignments()[1:]:
        ended = assignment.number - 1
        sealed = {ref: replay(entries[ref.repository][: ref.slot]) for ref in assignment.seals}
        highest = max((key.height for view in sealed.values() for key in _of_term(view, ended)), default=0)
        stand = {
            (key, _root(world.view(ref.repository), key)) for ref in sealed for key in _of_term(sealed[ref], ended)
        }
        for ref in assignment.seals:
            below = _of_term(sealed[ref], ended)
            final = _of_term(world.view(ref.repository), ended)
            lost = {
                key
                for key in below - final
                if not any(each == key and root not in (None, _root(sealed[ref], key)) for each, root in stand)
            }
            if lost:
                found.append(f"{ref.repository} lost {sorted(lost)} that stood below the seal of term {ended}")
            if not {key for key in final - below if key.height > assignment.heads.get(str(ended), 0)} == set():
                found.append(f"{ref.repository} accepts {sorted(final - below)} above the seal of term {ended}")
        if assignment.seals and assignment.heads.get(str(ended), 0) != highest:
            found.append(f"assignment {assignment.number} has head {assignment.heads}; its seals say {highest}")
    return found


def _what_was_decided_stays_decided(world: World) -> list[str]:
    """No repository accepts a commit of a term above the head with which that term was ended."""
    found: list[str] = []
    for assignment in world.assignments()[1:]:
        ended = assignment.number - 1
        head = assignment.heads.get(str(ended), 0)
        for name in world.repositories:
            late = sorted(key for key in world.view(name).accepted if key.term == ended and key.height > head)
            if late:
                found.append(
                    f"{name} accepts {late} although assignment {assignment.number} ended term {ended} at {head}"
                )
    return found


def _one_name_one_content(world: World) -> list[str]:
    """Of terms that are over, (term, height) names one checkpoint, wherever it is."""
    newest = world.assignments()[-1].term
    roots: dict[CommitId, dict[str, str]] = {}
    for name in world.repositories:
        for key, accepted in world.view(name).accepted.items():
            roots.setdefault(key, {})[name] = accepted.what.root
    return [
        f"{key} names two checkpoints: {each}"
        for key, each in roots.items()
        if key.term < newest and len(set(each.values())) > 1
    ]


def _root(view: LogView, key: CommitId) -> str | None:
    gone = view.dropped.get(key)
    there = view.accepted.get(key) or (gone[0] if gone else None)
    return there.what.root if there else None


def _of_term(view: LogView, term: int) -> set[CommitId]:
    return {key for key in [*view.accepted, *view.dropped] if key.term == term}


def summary(assignments: list[Assignment]) -> str:
    return "; ".join(f"{each.number}: {each.writer} {dict(each.heads)}" for each in assignments)
