"""A run of whole operations from a seed: operators with real commands, some of whom die, look at old facts or see half of it.

Afterwards the weather clears, and somebody does what is left with the same commands. What must hold is in `promises.py`.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from drstack.errors import DrstackError, OperationConflict, OutcomeUnknown
from drstack.recovery import control
from drstack.recovery.admission import bring_up_to
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.fencing import again, fence, unproven
from drstack.recovery.lifting import lift
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given
from drstack.recovery.word import confirm
from replicator.errors import ReplicatorError
from replicator.log.slots import SlotLog
from replicator.log.workload import WorkloadLog
from tests.simulation.choosers import Seeded
from tests.simulation.places import BUY, LOOK_S, WORKLOADS, Ground
from tests.simulation.planted import planted
from tests.simulation.promises import Promises
from tests.simulation.schedule import Budget, Operation, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.schedule import Actor

    Command = Callable[[Ground, Actor | None], object]

TROUBLE = (DrstackError, ReplicatorError)
ANY_LOSS = float("inf")
ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    found: list[str]
    story: str
    reached: frozenset[str]
    steps: int

    def told(self) -> str:
        return "\n".join([f"seed {self.seed} (it alone: DRSTACK_SEED={self.seed})", self.story, *self.found])


def run_operations(seed: int, bug: str = "") -> Outcome:
    chance = random.Random(f"operations {seed}")
    sites = chance.choice([("east", "west"), ("east", "west"), ("east", "west", "north")])
    folder = Path(tempfile.mkdtemp(prefix="drstack-operations-"))
    try:
        with _no_waiting(), planted(bug):
            ground = Ground(folder, sites, chance.choice([(), (), sites[1:2]]), chance)
            budget = Budget(faults=chance.choice([0, 0, 1, 3, 6]), stops=chance.choice([0, 1, 1, 2]))
            scheduler = Scheduler(Seeded(seed), budget)
            promises = Promises(ground)
            scheduler.after_each = promises.look
            ground.stopped = scheduler.stopped
            told: list[str] = []
            first = _weather(chance, ground)
            _people(chance, ground, scheduler, told, first)
            scheduler.run()
            promises.look()
            told += heal(ground)
            promises.look()
            promises.at_the_end()
            found = [f"{name} crashed: {error!r}" for name, error in scheduler.crashes.items()] + promises.broken
        weather = f"acknowledge {ground.acknowledge}, skew {ground.skew}, away {ground.away_until}"
        story = "\n".join([f"{sites}, {weather}, cut {sorted(ground.cut)}", scheduler.story(), *told])
        return Outcome(seed, found, story, frozenset(promises.reached(scheduler)), len(scheduler.trace))
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _no_waiting() -> Iterator[None]:
    """A claim that is tried again waits for no clock of ours."""
    quick = {"sleep": lambda _: None}
    with (
        mock.patch.dict(SlotLog.__init__.__kwdefaults__, quick),
        mock.patch.dict(WorkloadLog.__init__.__kwdefaults__, quick),
    ):
        yield


def _weather(chance: random.Random, ground: Ground) -> list[tuple[str, Command]]:
    """What goes wrong from the start, and by it what each operator does before anything else."""
    ground.late_receipts = chance.random() < 0.5
    if chance.random() < 0.5:
        ground.own = (BUY,)
    kind = chance.choice(["calm", "calm", "calm", "lost", "dead", "cut", "cut", "fenced"])
    if kind == "lost":  # nobody sees it, and it goes on
        ground.away_until["east"] = chance.choice([2, 3])
    if kind == "dead":
        ground.places["east"].alive = False
    if kind == "cut":
        ground.cut.add((f"operator-{chance.randrange(3)}", chance.choice(ground.sites)))
    for n in range(3):
        if chance.random() < 0.3:
            ground.skew[f"operator-{n}"] = chance.choice([-3600.0, 3600.0, -60.0, 60.0])
    if kind == "lost":
        return [_promotion("west")]
    return [_fence_and_promotion("east", "west"), _lifts("east")] if kind == "fenced" else []


def _promotion(site: str) -> tuple[str, Command]:
    given = Given(by="operator", reason="a test", data_loss_s=ANY_LOSS)
    return f"promote to {site}", lambda g, a: promote(g.world(a, site), site, given)


def _fence_and_promotion(fenced: str, site: str) -> tuple[str, Command]:
    given = Given(by="operator", reason="a test", data_loss_s=ANY_LOSS)

    def both(ground: Ground, actor: Actor | None) -> object:
        fence(ground.world(actor), fenced, given)
        return promote(ground.world(actor, site), site, given)

    return f"fence {fenced}, then promote to {site}", both


def _lifts(site: str) -> tuple[str, Command]:
    def until_it_is_lifted(ground: Ground, actor: Actor | None) -> None:
        for _ in range(6):
            with contextlib.suppress(OperationConflict):
                lift(ground.world(actor), site, by="operator", reason="a test")
                return
            ground.world(actor).sleep(LOOK_S)

    return f"lift {site}, whenever that goes", until_it_is_lifted


def _people(
    chance: random.Random, ground: Ground, scheduler: Scheduler, told: list[str], first: list[tuple[str, Command]]
) -> None:
    for n in range(max(chance.choice([1, 2, 2, 3]), len(first))):
        commands = [*first[n : n + 1], *(_command(chance, ground) for _ in range(chance.choice([2, 3, 4])))]
        scheduler.add(f"operator-{n}", _operator(ground, commands, told))
    for name in ground.sites:
        scheduler.add(f"{name}-trains", _trains(ground, name))
        if ground.late_receipts:
            scheduler.add(f"{name}-ships", _ships(ground, name))


def _operator(ground: Ground, commands: list[tuple[str, Command]], told: list[str]) -> Callable[[Actor], None]:
    def program(actor: Actor) -> None:
        for name, command in commands:
            actor.step(Operation(f"gives: {name}"))
            try:
                command(ground, actor)
                told.append(f"{actor.name}: {name}: done")
            except TROUBLE as error:
                told.append(f"{actor.name}: {name}: {type(error).__name__}: {error}")

    return program


def _trains(ground: Ground, name: str) -> Callable[[Actor], None]:
    place = ground.places[name]

    def runs() -> list[str]:
        return [each for each, run in place.runs.items() if run.running and place.alive and not place.fenced]

    def program(actor: Actor) -> None:
        for n in range(ROUNDS):
            actor.wait("trains", lambda: bool(runs()))
            for each in runs():
                ground.train(place, each, save=n % 3 == 2)

    return program


def _ships(ground: Ground, name: str) -> Callable[[Actor], None]:
    place = ground.places[name]

    def program(actor: Actor) -> None:
        while True:
            actor.wait("ships", lambda: bool(place.alive and not place.fenced and (place.to_ship or place.to_verify)))
            ground.ship_one(place)

    return program


def _command(chance: random.Random, ground: Ground) -> tuple[str, Command]:
    """One of the commands of DESIGN 11, with what an operator may say to it."""
    site = chance.choice(ground.sites)
    only = (chance.choice(WORKLOADS),) if chance.random() < 0.25 else ()
    loss = ANY_LOSS if chance.random() < 0.5 else None
    given = Given(by="operator", reason="a test", only=only, data_loss_s=loss)
    step = chance.choice(["prove a", "seal a", "start b", "reconcile", "capacity west", "assign", "step buy"])
    options: list[tuple[int, str, Command]] = [
        (6, f"promote to {site} {only}", lambda g, a: promote(g.world(a, site), site, given)),
        (7, f"switchover to {site} {only}", lambda g, a: promote(g.world(a, site), site, given, kind="switchover")),
        (4, "failback", lambda g, a: promote(g.world(a, "east"), "east", given, kind="switchover")),
        (2, f"promote to {site} by an old plan", lambda g, a: _by_plan(g, a, site, given)),
        (2, f"fence {site}", lambda g, a: fence(g.world(a), site, given)),
        (2, f"lift {site}", lambda g, a: lift(g.world(a), site, by="operator", reason="a test")),
        (3, "resume", lambda g, a: control.resume(g.world(a, _target(g, a)), by="operator")),
        (4, "abort", _abort),
        (2, "pause", lambda g, a: control.pause(g.witness(a), by="operator", reason="a test")),
        (1, f"skip {step}", lambda g, a: control.skip(g.witness(a), step, by="operator", reason="a test", at=g.now)),
    ]
    total = chance.randrange(sum(weight for weight, _, _ in options))
    for weight, name, command in options:
        if total < weight:
            return name, command
        total -= weight
    raise AssertionError(total)


def _abort(ground: Ground, actor: Actor | None) -> object:
    told = control.abort(ground.world(actor, _target(ground, actor)), by="operator", reason="a test")
    if unfinished(ground.witness(None)) is None:
        ground.given_back.append({name: site for name, site in told["writers"].items() if not _left(told, name)})
    return told


def _left(told: dict[str, Any], name: str) -> bool:
    return any("nobody may write" in each and name in each for each in told["next"])


def _target(ground: Ground, actor: Actor | None) -> str | None:
    """As the command line does: the operation's own target."""
    running = unfinished(ground.witness(actor))
    return str((running.plan() or {}).get("target")) if running is not None else None


def _by_plan(ground: Ground, actor: Actor | None, site: str, given: Given) -> object:
    """Looks, goes away for a while, and then carries out what was agreed to."""
    plan = plan_only(ground.world(actor, site), site, given).document()
    for _ in range(3):
        ground.world(actor).sleep(600.0)
    return promote(ground.world(actor, site), site, given, agreed=plan)


# Who comes next


def heal(ground: Ground) -> list[str]:
    """What an operator does whom nothing disturbs: ends what was begun, and has all of it run where it is written."""
    told = ["all is within reach again"]
    ground.healed = True
    for place in ground.places.values():
        for run in place.runs.values():
            run.running = run.running and place.alive
        place.alive = True
    ground.settle_shipping()
    for _ in range(8):
        running = unfinished(ground.witness(None))
        if running is None:
            break
        told.append(f"healer: {_ended(ground)}")
    told += _proven(ground)
    for site in ground.sites:
        for name in WORKLOADS:
            bring_up_to(ground.assigned(), name, ground.repository(None, site))
    for name in WORKLOADS:
        for _ in range(4):
            if runs_where_it_is_written(ground, name):
                break
            told.append(f"healer: {_brought_up(ground, name)}")
    return told


def _proven(ground: Ground) -> list[str]:
    """Fences that were only assumed are tried again, once their sites are seen."""
    world, told = ground.world(None), []
    for each in unproven(world.witness):
        try:
            told.append(f"healer: fence {each.site} again: {again(world, each.site)['grade']}")
        except TROUBLE as error:
            told.append(f"healer: fence {each.site} again: {error}")
    return told


def _ended(ground: Ground) -> str:
    try:
        end = control.resume(ground.world(None, _target(ground, None)), by="healer")
    except OutcomeUnknown as error:
        running = unfinished(ground.witness(None))
        bought = bool(running is not None and ground.bought.get(running.identity))
        confirm(ground.witness(None), "step buy", by="healer", reason="looked", at=ground.now, again=not bought)
        return f"{error}: it happened: {bought}"
    except TROUBLE as error:
        return f"{error}; {_aborted(ground)}"
    return str(end["result"])


def _aborted(ground: Ground) -> str:
    try:
        return str(control.abort(ground.world(None, _target(ground, None)), by="healer", reason="it cannot end"))
    except OperationConflict as error:
        return str(error)


def runs_where_it_is_written(ground: Ground, workload: str) -> bool:
    writer = ground.assigned().writer(workload)
    run, view = ground.places[writer].runs.get(workload), ground.repository(None, writer).log(workload).view()
    return bool(run and run.running and view.writable and view.term == run.term)


def _brought_up(ground: Ground, workload: str) -> str:
    """As status and its hints say: lift a fence, or promote to the writer, or to another."""
    writer = ground.assigned().writer(workload)
    other = next(site for site in ground.sites if site != writer)
    given = Given(by="healer", reason="bring it up", only=(workload,), data_loss_s=ANY_LOSS)
    tries: list[tuple[str, Command]] = [
        ("lift", lambda g, _: lift(g.world(None), writer, by="healer", reason="over")),
        (f"promote to {writer}", lambda g, _: promote(g.world(None, writer), writer, given)),
        (f"promote to {other}", lambda g, _: promote(g.world(None, other), other, given)),
    ]
    said: list[str] = []
    for name, command in tries:
        try:
            command(ground, None)
        except TROUBLE as error:
            said.append(f"{name}: {error}")
            continue
        said.append(f"{name}: done")
        if runs_where_it_is_written(ground, workload):
            break
    return "; ".join(said)
