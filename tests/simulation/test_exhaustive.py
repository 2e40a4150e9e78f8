"""Small cases, in every schedule there is and with every fault in every place (larger ones with DRSTACK_SOAK=1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.model import CommitId, PackRef, What, Where
from tests.replicator.log.builders import what
from tests.simulation.exhaustive import explore
from tests.simulation.keeper import keeper, restorer
from tests.simulation.operator import ModelWorld, operator
from tests.simulation.world import WORKLOAD, Ack
from tests.simulation.writer import writer
from tools.cases import at_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.exhaustive import People
    from tools.cases import Cases

pytestmark = pytest.mark.slow

soak = pytest.mark.skipif(not at_length(), reason="takes minutes: DRSTACK_SOAK=1")
CAST: dict[str, Callable[[ModelWorld], object]] = {
    "east": lambda world: writer(world, "east", commits=1, terms=1, order=tuple(reversed(world.repositories))),
    "delta": lambda world: writer(world, "east", commits=1, terms=1, deltas=True),
    "east-again": lambda world: writer(world, "east", commits=1, terms=1, order=("N", "M")),
    "operator": lambda world: operator(world, "west", tries=1),
    "rival": lambda world: operator(world, "west", tries=1),
    "stubborn": lambda world: operator(world, "west", tries=2),
    "stubborn rival": lambda world: operator(world, "west", tries=2),
    "keeper": lambda world: keeper(world, "N", rounds=1),
    "restorer": lambda world: restorer(world, "N"),
}


def cast(*names: str) -> People:
    people = {name: "east" if name == "delta" else name for name in names}
    return lambda world: {people[name]: CAST[name](world) for name in names}  # type: ignore[return-value]


def empty(bug: str = "") -> ModelWorld:
    return ModelWorld(("N",), ("N",), bug=bug)


def torn_apart(bug: str = "") -> ModelWorld:
    """The writer that comes after one that forgot does not see the second repository, which the first begins with."""
    world = ModelWorld(("N", "M"), ("N",), bug=bug)
    world.cut.add(("east-again", "M"))
    return world


def given_twice(bug: str = "") -> ModelWorld:
    """1.1 is one checkpoint in N, where it was acknowledged, and another in M, of which nobody was told."""
    world = torn_apart(bug)
    for name, attempt in (("N", "east-again"), ("M", "east")):
        pack = PackRef(digest=f"old-{name}", size_bytes=1)
        world.objects[name][f"packs/{pack.digest}"] = b"bytes"
        contents = what(1, 1, attempt=attempt, root=f"{attempt}-1.1", workload=WORKLOAD, counter=attempt)
        where = Where(manifest=pack, packs=(pack,), shipped_bytes=1)
        world.log(None, name).commit(contents, lambda _, where=where: where, term=1)
    world.acks.append(Ack(CommitId(1, 1), "east-again-1.1", ("N",)))
    return world


def given_twice_and_one_out_of_reach(bug: str = "") -> ModelWorld:
    """The operator does not see M either; whoever comes after it does."""
    world = given_twice(bug)
    world.cut.add(("operator", "M"))
    return world


def with_two_checkpoints(bug: str = "") -> ModelWorld:
    world = empty(bug)
    for height in (1, 2):
        pack = PackRef(digest=f"old-{height}", size_bytes=1)
        world.objects["N"][f"packs/{pack.digest}"] = b"bytes"
        what = What(
            workload=WORKLOAD, name="c", term=1, height=height, step=height, attempt="east", root=f"old-{height}",
            size_bytes=1, files=1, saved_at=0.0,
        )  # fmt: skip
        where = Where(manifest=pack, packs=(pack,), shipped_bytes=1)
        world.log(None, "N").commit(what, lambda _, where=where: where, term=1)
    return world


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("every schedule", 10, 18)
@pytest.mark.parametrize(
    ("make", "people", "faults", "stops", "at_least"),
    [
        (empty, cast("east", "operator"), 0, 1, 200),
        (empty, cast("east", "operator"), 1, 0, 400),
        (empty, cast("operator", "rival"), 0, 1, 200),
        (with_two_checkpoints, cast("keeper", "restorer"), 0, 1, 30),
        (with_two_checkpoints, cast("keeper", "restorer"), 1, 0, 100),
        (with_two_checkpoints, cast("keeper", "delta"), 1, 0, 100),
        (with_two_checkpoints, cast("keeper", "operator"), 0, 1, 100),
        (torn_apart, cast("east", "east-again"), 0, 1, 100),
        (given_twice, cast("operator"), 1, 1, 300),
        (given_twice_and_one_out_of_reach, cast("east", "operator"), 0, 0, 30),
        pytest.param(given_twice, cast("operator", "rival"), 0, 0, 500, marks=soak),
        pytest.param(given_twice_and_one_out_of_reach, cast("east", "operator"), 0, 1, 300, marks=soak),
        pytest.param(torn_apart, cast("east", "east-again", "operator"), 0, 0, 1000, marks=soak),
        pytest.param(empty, cast("east", "operator"), 1, 1, 4000, marks=soak),
        pytest.param(empty, cast("east", "operator"), 2, 0, 4000, marks=soak),
        pytest.param(empty, cast("stubborn", "stubborn rival"), 0, 1, 4000, marks=soak),
        pytest.param(empty, cast("east", "operator", "rival"), 0, 0, 4000, marks=soak),
        pytest.param(with_two_checkpoints, cast("keeper", "restorer", "delta"), 0, 0, 500, marks=soak),
    ],
)
def test_no_schedule_of_a_small_case_breaks_a_promise(
    make: Callable[[], ModelWorld], people: People, faults: int, stops: int, at_least: int, cases: Cases
) -> None:
    explored = explore(make, people, faults=faults, stops=stops)
    cases.ran(1)
    cases.found(f"{make.__name__}, {faults} faults, {stops} stops: {explored.runs} schedules, {explored.states} states")
    assert explored.found == [], explored.story
    assert explored.runs >= at_least


@pytest.mark.parametrize(
    ("bug", "make", "people", "sign"),
    [
        ("list-then-put", empty, cast("east", "operator"), "was acknowledged and"),
        ("sparse slots", empty, cast("east", "operator"), "was acknowledged and"),
        ("reuse of a lost slot's decision", empty, cast("east", "stubborn", "stubborn rival"), "names slot"),
        ("re-check, then delete", with_two_checkpoints, cast("keeper", "restorer"), "did not find its pack"),
        ("heads without counters", given_twice, cast("operator"), "names two checkpoints"),
        ("no word from those that acknowledge", given_twice, cast("operator"), "was acknowledged and"),
    ],
)
def test_a_planted_bug_has_a_schedule_in_a_small_case(
    bug: str, make: Callable[[str], ModelWorld], people: People, sign: str
) -> None:
    explored = explore(lambda: make(bug), people)
    assert any(sign in each for each in explored.found), explored
