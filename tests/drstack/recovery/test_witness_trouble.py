"""A witness that takes no writes, is slow, empty or rolled back: nothing is touched, and the next command is named."""

from __future__ import annotations

import time

import pytest

from drstack.errors import EnvironmentUnknown, WitnessUnreachable, WitnessUnsound
from drstack.recovery import control
from drstack.recovery.conduct import look, promote
from drstack.recovery.plan import Given
from drstack.witness.witness import Witness
from replicator.errors import StoreError
from replicator.repository.repository import Repository, random_token
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")


class Trouble:
    """Of the witness alone. `after`: writes that still arrive."""

    def __init__(self, *, after=0, slow_s=0.0):
        self.left, self.slow_s = after, slow_s

    def before(self, verb, key):
        time.sleep(self.slow_s)
        if verb == "create" and self.left is not None:
            if self.left <= 0:
                raise StoreError(f"{key}: access denied")
            self.left -= 1

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def with_trouble(fleet, trouble):
    store = FaultyStore(fleet.stores["witness"], trouble)
    return fleet.world(witness=Witness(store, "e", clock=time.time, token=random_token))


def untouched(fleet):
    assert fleet.writers() == {"a": "east", "b": "east"}
    assert all(fleet.repository(place).log("a").view().writable for place in fleet.places)
    assert [site.acts for site in fleet.sites.values()] == [[], []]


def test_one_that_takes_no_writes_can_be_looked_at_and_nothing_is_touched(fleet):
    world = with_trouble(fleet, Trouble())
    with pytest.raises(WitnessUnreachable, match="access denied"):
        promote(world, "west", BY)
    untouched(fleet)
    assert set(look(world).workloads) == {"a", "b"}


@pytest.mark.parametrize("after", range(1, 26, 4))  # it makes 27 to 29 of them
def test_one_that_takes_no_writes_any_more_in_the_middle_is_taken_up_where_it_was(fleet, after):
    """A full disk at any record of the operation; then there is room again, and another operator resumes."""
    with pytest.raises(WitnessUnreachable, match="access denied"):
        promote(with_trouble(fleet, Trouble(after=after)), "west", BY)
    end = control.resume(fleet.world(), by="another")
    assert end["result"] == "promoted"
    assert fleet.writers() == {"a": "west", "b": "west"}
    assert [each.cause for each in fleet.witness().assignments()] == ["create", "promote"]
    assert sorted(fleet.sites["west"].starts) == ["a", "b"]


def test_one_that_is_slow_makes_an_operation_slow_and_no_other(fleet):
    end = promote(with_trouble(fleet, Trouble(after=10**6, slow_s=0.02)), "west", BY)
    assert end["result"] == "promoted"
    assert sum(phase["seconds"] for phase in end["phases"]) > 0.2


def test_one_that_is_empty_names_the_repair(fleet):
    fleet.stores["witness"] = memory_store()
    with pytest.raises(EnvironmentUnknown) as told:
        promote(fleet.world(), "west", BY)
    assert "drstack witness repair e --plan" in told.value.hint
    assert not list(fleet.stores["witness"].list("e"))


def test_one_that_was_rolled_back_decides_nothing_and_names_the_repair(fleet):
    promote(fleet.world(), "west", BY)
    for key in sorted(fleet.stores["witness"].list("e/assignments"))[1:]:
        fleet.stores["witness"].delete(key)
    for key in list(fleet.stores["witness"].list("e/operations")):
        fleet.stores["witness"].delete(key)
    acts = [list(site.acts) for site in fleet.sites.values()]
    with pytest.raises(WitnessUnsound, match=r"is behind: .* has opened term 2") as told:
        promote(fleet.world(), "east", BY)
    assert "drstack witness repair e --plan" in told.value.hint
    with pytest.raises(WitnessUnsound, match="is behind"):
        look(fleet.world())
    assert [site.acts for site in fleet.sites.values()] == acts


def test_one_record_that_cannot_be_read_blocks_and_is_named(fleet):
    promote(fleet.world(), "west", BY)
    store = fleet.stores["witness"]
    key = sorted(store.list("e/assignments"))[1]
    store.delete(key)
    store.create(key, b'{"not": "a record"}')
    with pytest.raises(WitnessUnsound, match=r"assignments/0*2"):
        promote(fleet.world(), "east", BY)


def test_the_repositories_go_on_while_it_is_away(fleet):
    """What ships needs no witness: a checkpoint arrives, and counts once it is back."""
    fleet.save(step=20)
    away = fleet.stores["witness"]
    fleet.stores["witness"] = memory_store()
    fleet.save(step=30)
    fleet.stores["witness"] = away
    assert promote(fleet.world(), "west", BY)["workloads"][0]["step"] == 30
    assert Repository("west", fleet.stores["west"]).log("a").view().term == 2
