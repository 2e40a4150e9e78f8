"""Heights that were given out twice: after the term has ended one content stands, and every repository knows which."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import RecordCorrupt
from replicator.log.counters import Run, counter_at, runs_of
from replicator.log.covering import settle, uncovered
from replicator.log.entries import Commit, Drop, Entry, Open, from_record, to_record
from replicator.log.records import Record
from replicator.log.replay import LogView, replay
from replicator.model import CommitId
from tests.replicator.log.builders import commit, drop, ids, opened, pin, seal, what, where

NAMES = ("M", "N", "P")


def counted(term: int, height: int, counter: str, *, of: int = 0, base: tuple[int, int] | None = None) -> Commit:
    return Commit(term=term, what=what(of or term, height, attempt=counter, counter=counter), where=where(base))


def ended(term: int, runs: dict[int, str], head: int, *, of: int = 1) -> Open:
    named = tuple(Run(first=first, counter=counter) for first, counter in runs.items())
    return Open(term=term, writer="west", heads={str(of): head}, counters={str(of): named})


def test_a_commit_that_another_counted_is_void_and_listed_from_the_open_on() -> None:
    view = replay([opened(1), counted(1, 1, "a"), counted(1, 2, "a"), seal(1), ended(2, {1: "a", 2: "b"}, 2)])
    assert view.accepted.keys() == ids((1, 1))
    reason = "the open of term 2 names another checkpoint 1.2"
    assert [(void.slot, void.commit, void.reason) for void in view.void] == [(3, CommitId(1, 2), reason)]


def test_the_one_that_stands_can_be_copied_in_under_its_name_and_the_other_cannot() -> None:
    log = [opened(1), counted(1, 1, "a"), seal(1), ended(2, {1: "b"}, 1)]
    view = replay([*log, counted(2, 1, "a", of=1), counted(2, 1, "b", of=1)])
    assert view.accepted[CommitId(1, 1)].what.counter == "b"
    assert view.accepted[CommitId(1, 1)].slot == 6
    assert [void.slot for void in view.void] == [2, 5]


def test_a_dropped_commit_that_another_counted_does_not_keep_the_name_from_the_one_that_stands() -> None:
    log: list[Entry] = [opened(1), counted(1, 1, "a"), counted(1, 2, "b"), drop(1, (1, 1)), seal(1)]
    view = replay([*log, ended(2, {1: "b"}, 2), counted(2, 1, "b", of=1)])
    assert view.accepted.keys() == ids((1, 1), (1, 2))
    assert not view.dropped


def test_a_pin_does_not_save_a_commit_that_another_counted() -> None:
    view = replay([opened(1), counted(1, 1, "a"), pin(1, "p", 1, 1), seal(1), ended(2, {1: "b"}, 1)])
    assert not view.accepted


def test_a_delta_stands_though_its_base_became_void_as_it_names_every_pack_itself() -> None:
    log = [opened(1), counted(1, 1, "a"), counted(1, 2, "c", base=(1, 1)), seal(1), ended(2, {1: "b", 2: "c"}, 2)]
    assert replay(log).accepted.keys() == ids((1, 2))
    late = counted(2, 1, "b", of=1)
    assert replay([*log, late]).accepted.keys() == ids((1, 1), (1, 2))


def test_without_a_counter_the_contents_tell_two_commits_apart() -> None:
    held, other = what(1, 1, attempt="a"), what(1, 1, attempt="b")
    head, runs = settle([{1: held.counted_by}])
    opening = Open(term=2, writer="west", heads={"1": head}, counters={"1": runs})
    assert uncovered(opening, held) is None
    assert uncovered(opening, other) == "the open of term 2 names another checkpoint 1.1"


def test_an_open_that_names_no_counters_covers_by_height_as_older_ones_did() -> None:
    view = replay([opened(1), counted(1, 1, "a"), counted(1, 2, "b"), seal(1), opened(2, "west", t1=1)])
    assert view.accepted.keys() == ids((1, 1))


def test_a_run_of_a_hundred_thousand_commits_is_as_long_as_its_restarts() -> None:
    heights = {height: f"process {height // 25_000}" for height in range(1, 100_001)}
    runs = runs_of(heights)
    assert len(runs) == 5
    assert all(counter_at(runs, height) == heights[height] for height in random.Random(1).sample(sorted(heights), 500))


@pytest.mark.parametrize(
    "runs",
    [
        [], [{"first": 2, "counter": "a"}], [{"first": 1, "counter": "a"}, {"first": 1, "counter": "b"}],
        [{"first": 1, "counter": "a"}, {"first": 5, "counter": "b"}, {"first": 3, "counter": "c"}],
        [{"first": 1, "counter": ""}], [{"first": "1", "counter": "a"}], [{"first": 1}],
        [{"first": 1, "counter": "a", "more": 1}], {"first": 1, "counter": "a"}, "a", None,
    ],
)  # fmt: skip
def test_runs_that_make_no_sense_block_the_log(runs: object) -> None:
    kind, body = to_record(ended(2, {1: "a"}, 1))
    with pytest.raises(RecordCorrupt, match=r"log/gpt/1: open\.counters\.1"):
        from_record(Record(1, None, "x", kind, 0.0, {**body, "counters": {"1": runs}}, "d"), "log/gpt")


def test_what_says_nothing_of_counters_is_written_without_them() -> None:
    assert "counters" not in to_record(opened(1))[1]
    assert "counter" not in to_record(commit(1, 1))[1]["what"]
    assert to_record(counted(1, 1, "a"))[1]["what"]["counter"] == "a"


@dataclass
class Site:
    """Three repositories, and a writer that may lose its memory, an old copy of it, or the sight of some of them."""

    logs: dict[str, list[Entry]] = field(default_factory=lambda: {name: [opened(1)] for name in NAMES})
    life: int = 0
    height: int = 0

    def live(self, reach: tuple[str, ...], remembers: int, skips: int) -> None:
        """Start again, with a memory of `remembers` heights, and see what those in reach hold."""
        self.life += 1
        seen = [entry.what.height for name in reach for entry in self.logs[name] if isinstance(entry, Commit)]
        self.height = max([remembers, *seen]) + skips

    def save(self, to: tuple[str, ...]) -> None:
        self.height += 1
        for name in to:
            there = replay(self.logs[name])
            if CommitId(1, self.height) not in {*there.accepted, *there.dropped}:
                self.logs[name].append(counted(1, self.height, f"life {self.life}"))

    def forget(self, name: str, height: int) -> None:
        """A keeper drops that height there."""
        self.logs[name].append(drop(1, (1, height)))


def names(least: int, most: int) -> st.SearchStrategy[tuple[str, ...]]:
    every = [each for size in range(least, most + 1) for each in combinations(NAMES, size)]
    return st.sampled_from(every)


lives = st.tuples(
    names(0, 2), st.sampled_from((0, 0, 1, 3)), st.integers(0, 1), st.lists(names(1, 3), min_size=1, max_size=4)
)
drops = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 5)), max_size=3)


def stands(view: LogView) -> dict[CommitId, str]:
    gone = {key: each for key, (each, _) in view.dropped.items()}
    return {key: each.what.root for key, each in {**gone, **view.accepted}.items() if key.term == 1}


@given(st.lists(lives, min_size=1, max_size=3), drops, names(0, 3), st.permutations(NAMES), st.booleans())
@settings(max_examples=200, deadline=None)
def test_of_one_name_one_content_stands_wherever_anybody_was_when_the_term_ended(
    history: list[tuple[tuple[str, ...], int, int, list[tuple[str, ...]]]],
    dropped: list[tuple[str, int]],
    away: tuple[str, ...],
    order: list[str],
    twice: bool,
) -> None:
    site = Site()
    for reach, remembers, skips, saves in history:
        site.live(reach, remembers, skips)
        for to in saves:
            site.save(to)
    for name, height in dropped:
        site.forget(name, height)
    sealed = [name for name in order if name not in away]
    views = {name: replay([*site.logs[name], seal(1)]) for name in sealed}
    head, runs = settle(views[name].counted(1) for name in sealed)
    opening = Open(term=2, writer="west", heads={"1": head}, counters={"1": runs} if head else {})
    later = Open(term=3, writer="east", heads=opening.heads, counters=opening.counters)
    ends = [seal(1), opening, *([seal(2), later] if twice else [])]
    final = {name: replay([*site.logs[name], *ends]) for name in NAMES}
    late = {name: replay([*site.logs[name], seal(2), later]) for name in NAMES}
    _require_one_content(final, sealed, views, head)
    assert {name: stands(view) for name, view in late.items()} == {n: stands(v) for n, v in final.items()}
    for name in NAMES:
        said = {void.slot for void in final[name].void if void.kind == "commit"}
        here = {n for n, entry in enumerate(site.logs[name], 1) if isinstance(entry, Commit)}
        kept = {each.slot for each in final[name].accepted.values()} | {e.slot for e, _ in final[name].dropped.values()}
        assert said | kept == here
    if len(history) == 1:
        assert all(
            key.height > head for name in NAMES for key in stands(replay(site.logs[name])).keys() - stands(final[name])
        )


def _require_one_content(final: dict[str, LogView], sealed: list[str], views: dict[str, LogView], head: int) -> None:
    roots: dict[CommitId, set[str]] = {}
    for view in final.values():
        for key, root in stands(view).items():
            roots.setdefault(key, set()).add(root)
    assert all(len(each) == 1 for each in roots.values())
    assert {key for view in views.values() for key in stands(view)} <= roots.keys()
    assert all(key.height <= head for key in roots)
    if sealed:
        assert stands(views[sealed[0]]) == stands(final[sealed[0]])


def test_a_drop_in_the_sealed_repository_still_names_what_another_holds() -> None:
    """The milestone that a repository pinned while it was away stands when it comes back, though others let it go."""
    there = replay([opened(1), counted(1, 1, "a"), counted(1, 2, "a"), Drop.model_validate(drop(1, (1, 1))), seal(1)])
    head, runs = settle([there.counted(1)])
    opening = Open(term=2, writer="west", heads={"1": head}, counters={"1": runs})
    away = replay([opened(1), counted(1, 1, "a"), pin(1, "milestone", 1, 1), seal(1), opening])
    assert away.accepted.keys() == ids((1, 1))
