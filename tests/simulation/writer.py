"""The writer: reads the witness once per term, ships packs, commits, acknowledges. A replaced one is a zombie.

Two of one site are one that lost its memory and was started again: the second counts above what it can see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import BaseGone, HeightTaken, NotOpen, OutcomeUnknown, Sealed, StoreUnavailable, TermRegressed
from replicator.log.claim import claim
from replicator.model import Id, PackRef, What, Where
from tests.simulation.world import WORKLOAD, Ack, Assignment, World, bring_up_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted, LogView
    from replicator.log.workload import WorkloadLog
    from tests.simulation.schedule import Actor


def writer(
    world: World,
    site: str,
    *,
    commits: int,
    terms: int = 2,
    deltas: bool = False,
    receipts: bool = False,
    order: tuple[str, ...] = (),
) -> Callable[[Actor], None]:
    """`terms`: how often it looks whether it writes again. `receipts`: acknowledges only what a verifier has seen.

    `order`: of the repositories, in which it ships.
    """

    def live(actor: Actor) -> None:
        after = 0
        for _ in range(terms):
            actor.wait("look for a term", lambda: _writes_now(world, site, after))
            try:
                assignment = world.current(actor)
            except StoreUnavailable:
                return
            if assignment.writer != site:
                after = assignment.number
                continue
            after = assignment.number
            logs = {name: world.log(actor, name, stride=2) for name in order or world.repositories}
            _write_term(world, actor, assignment, logs, commits, deltas=deltas, receipts=receipts)

    return live


def _writes_now(world: World, site: str, after: int) -> bool:
    newest = world.assignments()[-1]
    return newest.writer == site and newest.number > after


def _write_term(
    world: World,
    actor: Actor,
    assignment: Assignment,
    logs: dict[str, WorkloadLog],
    commits: int,
    *,
    deltas: bool,
    receipts: bool,
) -> None:
    height = 0
    for name, log in logs.items():
        try:
            bring_up_to(log, assignment)
            height = max(height, log.view().heads().get(str(assignment.term), 0))
        except Sealed:
            return
        except (StoreUnavailable, OutcomeUnknown):
            if name in assignment.acknowledge:
                return
    for _ in range(commits):
        height += 1
        root = f"{actor.name}-{assignment.term}.{height}"
        held = [name for name, log in logs.items() if _ship(world, actor, name, log, assignment, height, root, deltas)]
        if not set(assignment.acknowledge) <= set(held):
            return
        if receipts:
            actor.wait("await receipts", lambda h=height: _attested(world, assignment, h))
        _acknowledge(world, actor, assignment, height, root)


def _acknowledge(world: World, actor: Actor, assignment: Assignment, height: int, root: str) -> None:
    commit = Id(term=assignment.term, height=height).key()
    world.acks.append(Ack(commit, root, assignment.acknowledge))
    actor.told("acknowledged", commit)


def _attested(world: World, assignment: Assignment, height: int) -> bool:
    return all(f"receipts/{assignment.term}.{height}" in world.objects[name] for name in assignment.acknowledge)


def _ship(
    world: World,
    actor: Actor,
    name: str,
    log: WorkloadLog,
    assignment: Assignment,
    height: int,
    root: str,
    deltas: bool,
) -> bool:
    """Whether the repository holds the commit now. Packs first, then the entry, as a push does."""
    what = What(
        workload=WORKLOAD, name="c", term=assignment.term, height=height, step=height, attempt=actor.name, root=root,
        size_bytes=1, files=1, saved_at=0.0, counter=actor.name,
    )  # fmt: skip
    for lean in (deltas, False):
        task = f"push {actor.name} {name} {height} {lean}"
        world.busy.add(task)
        try:
            place = _send_packs(world, actor, name, log.view(), root, lean=lean)
            log.commit(what, lambda _, place=place: place, term=assignment.term)
        except BaseGone:
            continue
        except (Sealed, NotOpen, TermRegressed, StoreUnavailable, OutcomeUnknown, HeightTaken):
            return False
        else:
            return True
        finally:
            world.busy.discard(task)
    return False


def _send_packs(world: World, actor: Actor, name: str, view: LogView, root: str, *, lean: bool) -> Where:
    base: Accepted | None = view.in_order()[-1] if lean and view.accepted else None
    pack = PackRef(digest=f"{root}-{name}-{'delta' if base else 'key'}", size_bytes=1)
    claim(world.store(actor, name), f"packs/{pack.digest}", b"bytes", sleep=lambda _: None)
    place = PackRef(digest=f"manifest-{pack.digest}", size_bytes=1)
    if base is None:
        return Where(manifest=place, packs=(pack,), shipped_bytes=1)
    leaning = Id(term=base.what.term, height=base.what.height)
    return Where(manifest=place, packs=(*base.where.packs, pack), base=leaning, shipped_bytes=1)


def verifier(world: World, name: str, *, rounds: int) -> Callable[[Actor], None]:
    """Writes receipts for what stands in a repository, each time there is something new."""

    def live(actor: Actor) -> None:
        log, store, told = world.log(actor, name), world.store(actor, name), set[str]()
        for _ in range(rounds):
            actor.wait("look for commits", lambda: len(world.view(name).accepted) > len(told))
            for key in log.view().accepted:
                if str(key) not in told:
                    told.add(str(key))
                    claim(store, f"receipts/{key}", b"ok", sleep=lambda _: None)

    return live
