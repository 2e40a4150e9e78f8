"""The scheduler itself: every order of steps is made once, kills cannot be caught, and runs are determined."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from replicator.errors import OutcomeUnknown
from tests.simulation.choosers import Exhaustive, Seeded
from tests.simulation.schedule import Actor, Budget, Operation, Scheduler
from tests.simulation.store import SimStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Chooser


def steps(log: list[str], count: int) -> Callable[[Actor], None]:
    def live(actor: Actor) -> None:
        for n in range(count):
            actor.step(Operation(f"step {n}"))
            log.append(actor.name)

    return live


def never_met_before() -> Callable[[], int]:
    count = itertools.count()
    return lambda: next(count)


def test_every_order_of_steps_is_made_exactly_once() -> None:
    chooser = Exhaustive(state=never_met_before())
    orders: list[tuple[str, ...]] = []
    for _ in chooser.runs():
        scheduler = Scheduler(chooser, Budget())
        scheduler.add("a", steps([], 2))
        scheduler.add("b", steps([], 2))
        assert scheduler.run()
        orders.append(tuple(name for name, _, _ in scheduler.trace))
    assert len(orders) == len(set(orders)) == 20  # six turns, three of each


def test_a_lost_update_is_found_and_its_order_is_among_all_orders() -> None:
    ends: set[int] = set()
    chooser = Exhaustive(state=never_met_before())
    for _ in chooser.runs():
        scheduler, cell = Scheduler(chooser, Budget()), [0]

        def add(actor: Actor, cell: list[int] = cell) -> None:
            actor.step(Operation("read"))
            seen = cell[0]
            actor.step(Operation("write"))
            cell[0] = seen + 1

        scheduler.add("a", add)
        scheduler.add("b", add)
        scheduler.run()
        ends.add(cell[0])
    assert ends == {1, 2}


def test_a_state_that_was_met_before_is_not_entered_again() -> None:
    def runs_with(state: Callable[[Scheduler], int]) -> int:
        chooser, ended = Exhaustive(), 0
        for _ in chooser.runs():
            scheduler = Scheduler(chooser, Budget())
            scheduler.add("a", steps([], 3))
            scheduler.add("b", steps([], 3))
            chooser.state = lambda scheduler=scheduler: state(scheduler)
            ended += scheduler.run()
        return ended

    fresh = never_met_before()
    assert runs_with(lambda _: fresh()) == 70
    assert runs_with(lambda scheduler: scheduler.state()) == 2


@pytest.mark.parametrize("outcome", ["go", "lost", "unsent", "late", "stop"])
def test_a_create_ends_in_each_way_that_a_store_knows(outcome: str) -> None:
    objects: dict[str, bytes] = {}
    heard: list[str] = []

    def put(actor: Actor) -> None:
        store = SimStore("N", objects, actor, lambda: True)
        try:
            store.create("a", b"x")
            heard.append("made")
        except OutcomeUnknown:
            heard.append("unknown")
        except Exception:  # noqa: BLE001 - a kill must pass even this
            heard.append("caught")
        actor.step(Operation("after"))

    class Once:
        def choose(self, options: list[object], last: str) -> object:
            wanted = [each for each in options if each.outcome == outcome]  # type: ignore[attr-defined]
            return (wanted or options)[0]

    scheduler = Scheduler(Once(), Budget(faults=1, stops=1))  # type: ignore[arg-type]
    scheduler.add("a", put)
    scheduler.run()
    assert heard == {"go": ["made"], "stop": []}.get(outcome, ["unknown"])
    assert bool(objects) == (outcome in ("go", "lost"))
    assert bool(scheduler.under_way) == (outcome == "late")
    assert scheduler.crashes == {}


def test_what_is_not_handled_is_told_as_a_crash() -> None:
    def fail(actor: Actor) -> None:
        actor.step(Operation("go"))
        raise KeyError("gone")

    scheduler = Scheduler(Seeded(1), Budget())
    scheduler.add("a", fail)
    scheduler.add("b", steps([], 3))
    scheduler.run()
    assert repr(scheduler.crashes) == "{'a': KeyError('gone')}"
    assert len(scheduler.trace) == 6


def test_who_waits_for_ever_does_not_hold_up_the_end() -> None:
    log: list[str] = []

    def wait(actor: Actor) -> None:
        actor.wait("for ever", lambda: False)
        log.append("went on")

    scheduler = Scheduler(Seeded(1), Budget())
    scheduler.add("a", wait)
    scheduler.add("b", steps(log, 2))
    assert scheduler.run()
    assert log == ["b", "b"]


def test_a_seed_decides_everything() -> None:
    def story(chooser: Chooser) -> str:
        scheduler = Scheduler(chooser, Budget(stops=1))
        for name in "abc":
            scheduler.add(name, steps([], 5))
        scheduler.run()
        return scheduler.story()

    assert [story(Seeded(n)) for n in range(10)] == [story(Seeded(n)) for n in range(10)]
    assert len({story(Seeded(n)) for n in range(10)}) == 10
