"""Which packs are worth writing anew; and no compaction, however slow or interrupted, loses what somebody keeps."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import BaseGone, KeyMissing, NothingToRestore, NotOpen, Sealed
from replicator.log.entries import Open, Pin, Seal
from replicator.log.replay import replay
from replicator.model import CommitId, Id
from replicator.repository.compact import compact, usage_of
from replicator.repository.format import initialise
from replicator.repository.pinning import as_it_is_now, pinned
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored, verify
from replicator.retention.compaction import HEAD_BYTES, CompactionPolicy, Usage, plan_compaction
from replicator.service.keeping import Keeping
from tests.replicator.repository.rig import Killed, push
from tests.replicator.retention.logs import commit, opening
from tests.replicator.retention.ticking import TickingStore

PACK = 100_000
GONE = (Sealed, NotOpen, BaseGone, NothingToRestore)


def standing(packs_of: dict[int, tuple[str, ...]], *more):
    return replay([opening(), *(commit(height, packs=packs) for height, packs in packs_of.items()), *more])


def uses(**live: int) -> Usage:
    """Of each pack that many bytes, as one block at its beginning."""
    return Usage({name: {0: size} for name, size in live.items()}, dict.fromkeys(live, PACK))


def test_a_pack_of_which_little_is_needed_moves_and_one_that_is_needed_stays():
    view = standing({1: ("a", "b"), 2: ("b",), 3: ("c",)})
    usage = {
        CommitId(1, 1): uses(a=10_000, b=50_000), CommitId(1, 2): uses(b=90_000), CommitId(1, 3): uses(c=1),
    }  # fmt: skip
    plan = plan_compaction(view, usage, CompactionPolicy(spare=1))
    assert plan.packs == {"a": "11% of its 100,000 bytes is needed"}
    assert [(each.commit, each.packs, each.full) for each in plan.rewrites] == [(CommitId(1, 1), ("a",), False)]
    assert (plan.read_bytes, plan.written_bytes, plan.freed_bytes) == (10_002, 10_001, 100_001)
    assert list(plan.passed_over) == ["c"]


def test_what_two_need_of_a_pack_counts_once_and_both_get_a_new_encoding():
    view = standing({1: ("a",), 2: ("a",), 3: ("c",)})
    usage = {
        CommitId(1, 1): Usage({"a": {0: 10_000, 10_000: 10_000}}, {"a": PACK}), CommitId(1, 2): uses(a=10_000),
        CommitId(1, 3): uses(c=PACK),
    }  # fmt: skip
    plan = plan_compaction(view, usage, CompactionPolicy(spare=1))
    assert {each.commit for each in plan.rewrites} == {CommitId(1, 1), CommitId(1, 2)}
    assert plan.written_bytes == 20_000 + 2


def test_what_costs_more_than_it_frees_and_what_would_read_too_much_is_passed_over():
    view = standing({1: ("a", "b"), 3: ("c",)})
    usage = {CommitId(1, 1): uses(a=20_000, b=30_000), CommitId(1, 3): uses(c=PACK)}
    plan = plan_compaction(view, usage, CompactionPolicy(spare=1, read_bytes=25_000))
    assert (list(plan.packs), list(plan.passed_over)) == (["a"], ["b"])
    assert "another run will do it" in plan.passed_over["b"]
    small = Usage({"a": {0: 10}}, {"a": HEAD_BYTES + 11})
    assert not plan_compaction(
        standing({1: ("a",), 3: ("c",)}), {CommitId(1, 1): small}, CompactionPolicy(spare=1, min_live=1.0)
    ).rewrites


def test_a_checkpoint_that_lies_scattered_becomes_self_contained_where_that_is_asked_for():
    names = tuple(f"p{n}" for n in range(12))
    view = standing({1: names, 2: ("c",)})
    usage = {CommitId(1, 1): uses(**dict.fromkeys(names, PACK)), CommitId(1, 2): uses(c=PACK)}
    assert not plan_compaction(view, usage, CompactionPolicy(spare=1)).rewrites
    plan = plan_compaction(view, usage, CompactionPolicy(spare=1, max_spread=8))
    assert [(each.full, each.reason) for each in plan.rewrites] == [
        (True, "synthetic full: its blocks lie in 12 packs and fill 1")
    ]


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True), min_size=1, max_size=6),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, PACK), min_size=6), st.sets(st.integers(1, 6), max_size=2),
    st.integers(1, 3), st.sets(st.integers(1, 6), max_size=2), st.sets(st.integers(1, 6), max_size=1),
)  # fmt: skip
def test_no_plan_touches_what_is_pinned_newest_or_unreadable_nor_costs_more_than_it_frees(
    packs, live, pins, spare, fulls, unread
):
    packs_of = {height: tuple(names) for height, names in enumerate(packs, 1)}
    pins = {height for height in pins if height in packs_of}
    view = standing(packs_of, *(Pin(term=1, name=f"p{h}", commit=Id(term=1, height=h), reason="x") for h in pins))
    usage = {
        CommitId(1, height): uses(**{name: live[name] for name in names})
        for height, names in packs_of.items()
        if height not in unread
    }
    plan = plan_compaction(view, usage, CompactionPolicy(spare=spare), full={CommitId(1, height) for height in fulls})
    newest = set(sorted(packs_of)[-spare:])
    touched = {each.commit.height for each in plan.rewrites}
    assert not touched & (pins | newest | unread)
    leaving = {each.commit.height: set(each.packs) for each in plan.rewrites}
    for pack in plan.packs:
        assert {height for height, names in packs_of.items() if pack in names} == {
            height for height, names in leaving.items() if pack in names
        }
    if not any(each.full for each in plan.rewrites):
        assert plan.freed_bytes > plan.written_bytes or not plan.rewrites


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Six states of three files, of which each shares some with others."""
    folder = tmp_path_factory.mktemp("source")
    made = []
    for n in range(6):
        for part in range(3):
            (folder / f"w{(n + part) % 6}").write_bytes(random.Random((n + part) % 6).randbytes(2000))
        made.append(take_snapshot(folder, sorted(f"w{(n + part) % 6}" for part in range(3))))
    return made


class Room:
    """One repository, somebody slow in it, and others who act between any two of its calls. No grace protects anybody."""

    def __init__(self, snapshots) -> None:
        self.snapshots = snapshots
        self.store = TickingStore({})
        initialise(self.store, environment=None, witness=None, clock=lambda: 0.0, token=random_token)
        self.term, self.heights, self.busy = 1, 0, False
        self.open().log("gpt").open(Open(term=1, writer="east"))

    def open(self, store: TickingStore | None = None) -> Repository:
        return Repository("west", store or self.store)

    def push(self, n: int | None = None, store: TickingStore | None = None) -> None:
        self.heights += 1
        height = self.heights
        wanted = push(height, height, term=self.term, attempt=f"a{height}", salt=height.to_bytes(16, "big"))
        repository = self.open(store)
        try:
            accepted = ship(wanted, self.snapshots[(height if n is None else n) % 6], repository)
            verify(repository, "gpt", accepted, "west")
        except GONE:
            return

    def compact(self, store: TickingStore | None = None) -> None:
        repository = self.open(store)
        view = repository.log("gpt").view()
        if not view.writable:
            return
        every = [key for n, key in enumerate(sorted(view.accepted)) if n % 2 == 0]
        policy = CompactionPolicy(min_live=1.0, spare=1)
        try:
            plan = plan_compaction(view, usage_of(repository, view), policy, full=every)
            compact(repository, "gpt", plan, view, grace_s=-1.0)
        except (*GONE, KeyMissing):
            return

    def sweep(self) -> None:
        keeping = Keeping(self.open(), "gpt", "west", 3, -1.0, 1.0, margin_s=0.0)
        keeping.let_go()
        keeping.sweep()

    def promote(self) -> None:
        log = self.open().log("gpt")
        heads = log.view().heads()
        log.append(lambda _: Seal(term=self.term, reason="promotion"))
        self.term += 1
        log.open(Open(term=self.term, writer="east", heads=heads))

    def act(self, what: str) -> None:
        if self.busy or what == "nothing":
            return
        self.busy = True
        try:
            {"push": self.push, "compact": self.compact, "sweep": self.sweep, "promote": self.promote}[what]()
        finally:
            self.busy = False

    def check(self) -> None:
        repository = self.open()
        for accepted in repository.log("gpt").view().in_order():
            verdict = check_stored(repository, accepted)
            assert verdict.ok, f"{accepted.what.id()}: {verdict.reason}"
            assert check_decoded(repository, accepted).ok
            assert not repository.receipts.damaged("gpt", accepted.slot)

    def slow(self, acts: dict[int, str]) -> TickingStore:
        """A handle before whose calls others act; `killed` ends who holds it."""
        calls = itertools.count()

        def between(_verb: str, _key: str) -> None:
            act = acts.get(next(calls), "nothing")
            if act == "killed":
                raise Killed
            self.act(act)

        return self.store.handle(between)


SOAK = os.environ.get("DRSTACK_SOAK") == "1"
MANY = 1000 if SOAK else 25
CALLS = 60
ACTS = st.dictionaries(
    st.integers(0, CALLS), st.sampled_from(["sweep", "compact", "promote", "push", "killed", "compact", "sweep"]),
    max_size=10,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=MANY, deadline=None)
@given(ACTS, st.integers(2, 5))
def test_a_slow_compaction_loses_nothing_whatever_happens_between_its_calls(snapshots, acts, first):
    room = Room(snapshots)
    for _ in range(first):
        room.push()
    handle = room.slow(acts)
    for _ in range(3):
        try:
            room.compact(handle)
        except Killed:
            continue
    room.check()
    room.sweep()
    room.check()


@pytest.mark.slow
@settings(max_examples=MANY, deadline=None)
@given(ACTS, st.integers(2, 5))
def test_a_slow_push_across_compactions_commits_with_all_its_packs_or_not_at_all(snapshots, acts, first):
    room = Room(snapshots)
    for _ in range(first):
        room.push()
    handle = room.slow(acts)
    for _ in range(3):
        try:
            room.push(store=handle)
        except Killed:
            continue
    room.check()
    room.sweep()
    room.check()


@settings(max_examples=MANY, deadline=None)
@given(ACTS, st.integers(2, 4))
def test_what_a_restore_pinned_is_there_until_it_lets_go_however_slow_it_is(snapshots, acts, first):
    room = Room(snapshots)
    for _ in range(first):
        room.push()
    acts = {at: act for at, act in acts.items() if act not in ("killed", "promote")}
    slow = room.open(room.slow(acts))
    chosen = slow.log("gpt").view().in_order()[0]
    try:
        with pinned(slow, "gpt", chosen, reason="test") as held:
            assert held
            now = as_it_is_now(slow, "gpt", chosen)
            assert check_stored(slow, now).ok
            verdict = check_decoded(slow, now)
            assert verdict.ok, verdict.reason
    except NothingToRestore:
        assert chosen.what.id() not in room.open().log("gpt").view().accepted
    room.check()


@pytest.mark.slow
def test_at_every_call_of_a_compaction_another_one_and_a_sweep_may_come(snapshots):
    for act, at in itertools.product(("compact", "promote", "push"), range(0, CALLS, 1 if SOAK else 7)):
        room = Room(snapshots)
        for _ in range(4):
            room.push()
        room.compact(room.slow({at: act, at + 1: "sweep"}))
        room.check()
        room.sweep()
        room.check()


def test_a_restore_whose_checkpoint_was_encoded_anew_right_before_its_pin_reads_the_new_encoding(snapshots):
    room = Room(snapshots)
    for _ in range(4):
        room.push()
    slow = room.open()
    chosen = slow.log("gpt").view().in_order()[2]
    room.compact()
    room.sweep()
    with pinned(slow, "gpt", chosen, reason="test") as held:
        assert held
        assert not check_decoded(slow, chosen).ok
        assert check_decoded(slow, as_it_is_now(slow, "gpt", chosen)).ok
