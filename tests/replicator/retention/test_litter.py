"""Litter: what nobody can need any more goes, and no push, however slow or often interrupted, ever loses a pack."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import BaseGone, NothingToRestore, NotOpen, RecordCorrupt, Sealed
from replicator.log.entries import Open, Pin, Seal
from replicator.model import Id
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored, verify
from replicator.retention.litter import litter
from replicator.service.keeping import Keeping
from replicator.stores.aged import Aged
from tests.replicator.repository.rig import Killed, push
from tests.replicator.retention.logs import commit, opening
from tests.replicator.retention.ticking import TickingStore

pytestmark = pytest.mark.slow


def seen(open_at: float, slot: int, **ages: float) -> list[Aged]:
    return [
        Aged(f"log/gpt/{slot:020d}", open_at, 1),
        *(Aged(key.replace("__", "/"), at, 10) for key, at in ages.items()),
    ]


def test_what_is_older_than_the_newest_open_and_named_by_nothing_that_counts_goes():
    entries = [opening(), commit(1, packs=("aa1",)), Seal(term=1, reason="p"), opening(2, None, {"1": 1})]
    objects = seen(
        100.0, 4, packs__aa__aa1=5.0, packs__bb__bb1=5.0, packs__cc__cc1=100.0, packs__dd__dd1=101.0,
        manifests__m1__m1=5.0, parts__gpt__00000000000000000001__a__1__0=5.0, parts__gpt__00000000000000000002__a__1__0=5.0,
        parts__gpt__soon__a__1__0=5.0, receipts__gpt__1__stored__west__1=5.0, late=300.0,
    )  # fmt: skip
    found = litter(objects, {"gpt": entries}, grace_s=50, margin_s=0)
    assert set(found.keys) == {
        "packs/bb/bb1", "manifests/m1/m1", "parts/gpt/00000000000000000001/a/1/0",
    }  # fmt: skip
    assert (found.size_bytes, found.since) == (30, 100.0)
    assert not litter(objects, {"gpt": entries}, grace_s=201, margin_s=0).keys
    assert not litter(objects, {"gpt": entries}, grace_s=50, margin_s=95.0).keys


def test_what_an_open_made_void_goes_but_not_what_is_pinned_in_it():
    pin = Pin(term=1, name="hold/case", commit=Id(term=1, height=3), reason="x")
    entries = [
        opening(), *(commit(n, packs=(f"aa{n}",)) for n in (1, 2, 3)), pin, Seal(term=1, reason="p"),
        opening(2, None, {"1": 1}),
    ]  # fmt: skip
    objects = seen(100.0, 7, packs__aa__aa1=5.0, packs__aa__aa2=5.0, packs__aa__aa3=5.0, late=300.0)
    assert set(litter(objects, {"gpt": entries}, grace_s=0, margin_s=0).keys) == {"packs/aa/aa2"}


def test_nothing_goes_where_a_log_is_not_open_or_its_open_is_not_seen_and_all_logs_count():
    entries = [opening(), Seal(term=1, reason="p"), opening(2, None, {"1": 1})]
    objects = [
        *seen(100.0, 3, packs__aa__aa1=5.0, packs__bb__bb1=50.0, late=300.0),
        Aged(f"log/chat/{1:020d}", 20.0, 1),
    ]
    assert not litter(objects, {"gpt": entries, "chat": []}, grace_s=0, margin_s=0).keys
    assert not litter(objects[1:], {"gpt": entries}, grace_s=0, margin_s=0).keys
    chat = [opening()]
    assert set(litter(objects, {"gpt": entries, "chat": chat}, grace_s=0, margin_s=0).keys) == {"packs/aa/aa1"}


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Four states of one file; the second and third share most blocks with the first."""
    folder = tmp_path_factory.mktemp("source")
    made = []
    for n in range(4):
        (folder / f"w{n}").write_bytes(random.Random(n).randbytes(3000))
        (folder / "same").write_bytes(b"same" * 1000)
        made.append(take_snapshot(folder, [f"w{n}", "same"]))
    return made


class Room:
    """One repository, a slow push in it, and others who act between any two of its calls."""

    def __init__(self, snapshots) -> None:
        self.snapshots = snapshots
        self.store = TickingStore({})
        initialise(self.store, environment=None, witness=None, clock=lambda: 0.0, token=random_token)
        self.term, self.heights = 1, 0
        self.log().open(Open(term=1, writer="east"))
        self.busy = False

    def log(self):
        return Repository("west", self.store).log("gpt")

    def next_push(self, term: int | None = None):
        self.heights += 1
        salt = self.heights.to_bytes(16, "big")
        return push(self.heights, self.heights, term=term or self.term, attempt=f"a{self.heights}", salt=salt)

    def sweep(self, store: TickingStore | None = None) -> None:
        """The harshest keeper: no grace, no margin, keeps one."""
        keeping = Keeping(Repository("west", store or self.store), "gpt", "west", 1, 0.0, 1.0, margin_s=0.0)
        keeping.let_go()
        keeping.sweep()

    def promote(self) -> None:
        log = self.log()
        log.seal(self.term, reason="p")
        heads = log.view().heads()
        self.term += 1
        log.open(Open(term=self.term, writer="east", heads=heads))

    def promote_away(self) -> None:
        """A promotion that counts nothing of what this repository has."""
        self.log().seal(self.term, reason="p")
        self.term += 1
        self.log().open(Open(term=self.term, writer="east", heads={}))

    def ship(self, n: int, store: TickingStore | None = None, what=None) -> None:
        repository = Repository("west", store or self.store)
        try:
            accepted = ship(what or self.next_push(), self.snapshots[n % 4], repository)
            verify(repository, "gpt", accepted, "west")
        except (Sealed, NotOpen, BaseGone, NothingToRestore):
            return

    def act(self, what: str) -> None:
        if self.busy or what == "nothing":
            return
        self.busy = True
        try:
            {
                "sweep": self.sweep, "promote": self.promote, "promote away": self.promote_away,
                "push": lambda: self.ship(self.heights),
            }[what]()  # fmt: skip
        finally:
            self.busy = False

    def check(self) -> None:
        repository = Repository("west", self.store)
        for accepted in repository.log("gpt").view().in_order():
            verdict = check_stored(repository, accepted)
            assert verdict.ok, f"{accepted.what.id()}: {verdict.reason}"
            assert check_decoded(repository, accepted).ok


CALLS = 45
"""About as many as a push makes to a store, its verification with them."""
ACTS = st.dictionaries(
    st.integers(0, CALLS), st.sampled_from(["sweep", "sweep", "promote", "promote away", "push", "killed"]), max_size=8
)


def slow_push(room: Room, acts: dict[int, str]) -> None:
    """`acts`: before which call of the push what happens. One that is killed is begun again, a few times."""
    calls = itertools.count()

    def between(_verb: str, _key: str) -> None:
        act = acts.get(next(calls), "nothing")
        if act == "killed":
            raise Killed
        room.act(act)

    slow = room.next_push()
    for _ in range(6):
        try:
            room.ship(3, room.store.handle(between), slow)
        except Killed:
            continue
        break
    room.check()
    room.sweep()
    room.check()


@pytest.mark.parametrize("after", ["sweep", "killed", "promote", "promote away"])
def test_a_push_keeps_its_packs_whatever_comes_before_any_of_its_calls(snapshots, after):
    for at in range(CALLS):
        room = Room(snapshots)
        room.ship(0)
        slow_push(room, {at: after, at + 1: "sweep", at + 2: "sweep"})


@settings(max_examples=200, deadline=None)
@given(ACTS, st.integers(0, 3))
def test_a_push_that_is_slow_killed_and_resumed_never_commits_without_its_packs(snapshots, acts, first):
    room = Room(snapshots)
    for n in range(first):
        room.ship(n)
    slow_push(room, acts)


@settings(max_examples=150, deadline=None)
@given(ACTS, st.integers(0, 3))
def test_a_keeper_with_a_stale_view_takes_nothing_that_a_push_meanwhile_needs(snapshots, acts, first):
    room = Room(snapshots)
    for n in range(first):
        room.ship(n)
    room.promote_away()
    calls = itertools.count()

    def between(_verb: str, _key: str) -> None:
        act = acts.get(next(calls), "nothing")
        room.act("push" if act in ("killed", "sweep") else act)

    room.sweep(room.store.handle(between))
    room.check()


def test_what_interrupted_pushes_left_goes_once_another_term_is_open(snapshots):
    room = Room(snapshots)
    room.ship(0)

    def killed(verb: str, key: str) -> None:
        if verb == "create" and key.startswith("log/"):
            raise Killed

    with pytest.raises(Killed):
        room.ship(1, room.store.handle(killed))
    before = {key for key in room.store.objects if not key.startswith(("log", "format"))}
    room.sweep()
    assert before <= room.store.objects.keys()
    room.promote()
    room.ship(2)
    room.sweep()
    left = {key for key in room.store.objects if key.startswith(("packs", "manifests", "parts"))}
    view = room.log().view()
    named = {pack.digest for each in view.accepted.values() for pack in each.where.packs}
    assert {key.rpartition("/")[2] for key in left if key.startswith("packs")} == named
    assert not [key for key in left if key.startswith(f"parts/gpt/{1:020d}")]
    room.check()


def test_a_log_that_cannot_be_read_keeps_everything(snapshots):
    room = Room(snapshots)
    room.ship(0)
    room.promote_away()
    room.ship(1)
    room.store.objects[f"log/other/{1:020d}"] = (99, b"garbage")
    before = dict(room.store.objects)
    with pytest.raises(RecordCorrupt):
        Keeping(Repository("west", room.store), "gpt", "west", 9, 0.0, 1.0, margin_s=0.0).sweep()
    assert room.store.objects == before


class Forgets(TickingStore):
    """Its listings of logs lack a workload's."""

    def list(self, prefix):
        return [key for key in super().list(prefix) if not key.startswith("log/other/")]

    def aged(self, prefix):
        return [each for each in super().aged(prefix) if not each.key.startswith("log/other/")]


def test_a_listing_that_lacks_a_workloads_log_costs_that_workload_nothing(snapshots):
    room = Room(snapshots)
    other = Repository("west", room.store).log("other")
    other.open(Open(term=1, writer="east"))
    theirs = replace(room.next_push(), workload="other")
    verify(Repository("west", room.store), "other", ship(theirs, snapshots[0], Repository("west", room.store)), "west")
    room.promote()
    room.ship(1)
    room.sweep(Forgets(room.store.objects))
    (accepted,) = other.view().in_order()
    assert check_decoded(Repository("west", room.store), accepted).ok
