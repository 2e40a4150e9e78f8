"""Two operators who promote to different sites: at whatever call one is overtaken by all that the other does, one wins.

Invariant: one site writes, every log covers one lineage, and who lost is told who was faster and what to type next. Nobody
takes the work from a site that was promoted while he was deciding.
"""

from __future__ import annotations

import os
import threading

import pytest

from drstack.errors import DrstackError, OperationConflict
from drstack.recovery.conduct import promote
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given
from replicator.stores.faults import FaultyStore
from tests.drstack.recovery.fleet import Fleet

ANA, BEN = Given(by="ana"), Given(by="ben")
STRIDE = 1 if os.environ.get("DRSTACK_SOAK") else 11
PLACES = ("east", "west", "north")


class At:
    """Does something once, before the n-th call that reaches a store."""

    def __init__(self, n, act):
        self.left, self.act, self.lock = n, act, threading.Lock()
        self.looks = self.looked = False
        """Whether who writes was read: what is done before that was done before it began."""

    def before(self, verb, key):
        with self.lock:
            self.looks |= "assignments/" in key
            self.looked |= self.looks and "assignments/" not in key
            self.left -= self.looked
            if self.left == 0:
                self.act()

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


def fleet_at(folder):
    fleet = Fleet(folder, names=("a", "b"), places=PLACES)
    fleet.save()
    return fleet


def tries(fleet, target, given, world=None):
    """The end of the promotion, or what it was refused by."""
    try:
        return promote(world or fleet.world(by=given.by), target, given)["result"]
    except OperationConflict as error:
        return error


def calls(folder):
    fleet = fleet_at(folder)
    counter = At(10**9, lambda: None)
    fleet.wrap = lambda store: FaultyStore(store, counter)
    promote(fleet.world(), "north", BEN)
    return 10**9 - counter.left


def overtaken_before(n, fleet):
    """How Ana's promotion ended, and Ben's, before whose n-th call all of Ana's was done; None where Ben's had ended."""
    ana, calm = [], fleet.world(by="ana")

    def act():
        ended = len(fleet.witness().assignments()) > 1 and unfinished(fleet.witness()) is None
        ana.append(None if ended else tries(fleet, "west", ANA, calm))

    at = At(n, act)
    fleet.wrap = lambda store: FaultyStore(store, at)
    ben = tries(fleet, "north", BEN)
    return None if ana == [None] else (*ana, ben)


def settled(fleet, told):
    """Who writes; all logs say the same."""
    (writer,) = set(fleet.writers().values())
    for name in ("a", "b"):
        term = fleet.witness().current().workloads[name].term
        views = {place: fleet.repository(place).log(name).view() for place in PLACES}
        assert {view.term for view in views.values()} == {term}, told
        assert {view.opened[term].writer for view in views.values()} == {writer}, told
        assert len({tuple(map(str, sorted(view.accepted))) for view in views.values()}) == 1, told
        assert [place for place in PLACES if name in fleet.sites[place].started] == [writer], told
    return writer


def test_at_whatever_call_one_is_overtaken_one_wins_and_the_other_is_told(tmp_path):
    count = calls(tmp_path / "alone")
    assert count > 50
    ends = set()
    for n in range(1, count, STRIDE):
        fleet = fleet_at(tmp_path / f"{n}")
        both = overtaken_before(n, fleet)
        if both is None:
            assert n > count - 10, "Ben's promotion ended too soon"
            break
        ana, ben = both
        fleet.wrap = lambda store: store
        told = f"overtaken before call {n} of {count}: {ana!r}, {ben!r}"
        won = {"west": ana == "promoted", "north": ben == "promoted"}
        assert sum(won.values()) == 1, told
        assert won[settled(fleet, told)], told
        lost, winner = (ben, "ana") if won["west"] else (ana, "ben")
        assert isinstance(lost, DrstackError), told
        assert winner in str(lost), told
        assert "drstack " in lost.hint, told
        ends.add(winner)
    assert ends == {"ana", "ben"}


@pytest.mark.parametrize("target", ["west", "north"])
def test_who_decides_after_the_other_has_ended_moves_on(tmp_path, target):
    fleet = fleet_at(tmp_path)
    assert tries(fleet, "west", ANA) == "promoted"
    fleet.save(step=20, term=2)
    end = promote(fleet.world(), target, BEN)
    assert settled(fleet, "") == target
    assert end.get("already", False) is (target == "west")
