"""Logs drawn at random with everything that a log can say: both readers find the same checkpoints, in the same encoding."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.log.counters import Run
from replicator.log.entries import Commit, Compact, Drop, Entry, Open, Pin, Seal, Unpin, Upgrade, to_record
from replicator.log.replay import replay
from replicator.model import Id, PackRef, Where
from tests.golden.rig import SECOND
from tests.replicator.log.builders import what

DIGESTS = st.sampled_from("abcdef")
PLACES = [Id(term=term, height=height) for term in (1, 2, 3) for height in (1, 2, 3)]


def ref(name: str) -> PackRef:
    return PackRef(digest=name, size_bytes=1)


places = st.sampled_from(PLACES)
wheres = st.builds(
    lambda manifest, packs, base: Where(
        manifest=ref(f"m-{manifest}"), packs=tuple(map(ref, packs)), base=base, shipped_bytes=1
    ),
    DIGESTS,
    st.lists(DIGESTS, max_size=2, unique=True),
    st.one_of(st.none(), st.none(), places),
)


@st.composite
def openings(draw: st.DrawFn, term: int) -> Open:
    """Of earlier terms: how far they stand, and who counted what."""
    heads = {str(each): draw(st.integers(0, 3)) for each in range(1, term)}
    counters = {
        each: tuple(Run(first=n, counter=draw(st.sampled_from("xy"))) for n in draw(st.sampled_from([(1,), (1, 2)])))
        for each in heads
        if draw(st.booleans())
    }
    return Open(term=term, writer="east", heads=heads, counters=counters)


def commits(term: int) -> st.SearchStrategy[Commit]:
    return st.builds(
        lambda one, attempt, counter, place: Commit(
            term=term, what=what(min(one.term, term), one.height, attempt=attempt, counter=counter), where=place
        ),
        places,
        st.sampled_from("ab"),
        st.sampled_from([None, "x", "x", "y"]),
        wheres,
    )


def entries(term: int, dropped: list[tuple[int, Commit]]) -> st.SearchStrategy[Entry]:
    """One entry of a term. `dropped`: slots of drops, each with a commit that it took, which may come back."""
    made: list[st.SearchStrategy[Entry]] = [
        *[commits(term)] * 5,
        *[st.builds(lambda one: Drop(term=term, commits=(one,), bytes_after=1.0, reason=""), places)] * 2,
        *[st.builds(lambda one, place: Compact(term=term, commit=one, where=place), places, wheres)] * 2,
        st.builds(lambda one: Pin(term=term, name="p", commit=one, reason=""), places),
        st.just(Unpin(term=term, name="p")),
        st.builds(lambda n: Upgrade(term=term, reader=1, writer=n, release="0", reason=""), st.integers(1, 2)),
    ]
    if dropped:
        again = st.builds(
            lambda drop, place: drop[1].model_copy(update={"term": term, "where": place, "again": drop[0]}),
            st.sampled_from(dropped),
            wheres,
        )
        made += [again] * 3
    return st.one_of(made)


def taken(log: list[Entry]) -> list[tuple[int, Commit]]:
    """(slot of a drop, a commit below it of the checkpoint that it names)."""
    return [
        (n, commit)
        for n, drop in enumerate(log, 1)
        for commit in log[: n - 1]
        if isinstance(drop, Drop)
        and isinstance(commit, Commit)
        and (commit.what.term, commit.what.height) == pair(drop)
    ]


def pair(drop: Drop) -> tuple[int, int]:
    return drop.commits[0].term, drop.commits[0].height


@st.composite
def logs(draw: st.DrawFn):
    log: list[Entry] = []
    for term in range(1, draw(st.integers(1, 3)) + 1):
        log.append(draw(openings(term)))
        for _ in range(draw(st.integers(0, 14))):
            log.append(draw(entries(term, taken(log))))
        log += draw(st.sampled_from([[], [Seal(term=term, reason="")]]))
    return log


def test_both_readers_say_the_same_of_it():
    met: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(logs())
    def both(log):
        view = replay(log)
        bodies = [(kind, {**body, "slot": n}) for n, (kind, body) in enumerate(map(to_record, log), 1)]
        theirs = {key: (body["what"], body["where"]) for key, body in SECOND.standing(bodies).items()}
        ours = {}
        for key, each in view.accepted.items():
            body = to_record(Commit(term=1, what=each.what, where=each.where))[1]
            ours[(key.term, key.height)] = (body["what"], body["where"])
        assert ours == theirs
        void = {each.slot for each in view.void}
        met["again"] += any(isinstance(e, Commit) and e.again and n not in void for n, e in enumerate(log, 1))
        met["let go"] += any("let go" in each.reason for each in view.void)
        met["another counter"] += any("another checkpoint" in each.reason for each in view.void)
        met["compacted"] += any(each.compacted for each in view.accepted.values())
        met["a later level"] += view.needs.writer > 1

    both()
    assert min(met.values()) >= 3, f"the logs that were drawn show too little: {met}"
