"""What is kept: the newest N, pins, and always the newest checkpoint with its receipts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.log.entries import Commit, Drop, Open, Pin
from replicator.log.replay import replay
from replicator.model import CommitId, Finding, Id, PackRef, What, Where
from replicator.repository.retain import drop_entry, removable
from replicator.retention.decide import retain
from replicator.retention.policy import Policy


def commit(height: int, *, suspect: bool = False, packs: tuple[str, ...] = ()) -> Commit:
    findings = (Finding(reason="nan", tensor=None, evidence="x"),) if suspect else ()
    what = What(
        workload="gpt", name=f"step-{height}", term=1, height=height, step=height, attempt="a", root=f"r{height}",
        size_bytes=1, files=1, saved_at=1.0, findings=findings,
    )  # fmt: skip
    refs = tuple(PackRef(digest=pack, size_bytes=1) for pack in packs)
    return Commit(
        term=1, what=what, where=Where(manifest=PackRef(digest=f"m{height}", size_bytes=1), packs=refs, shipped_bytes=1)
    )


@given(
    count=st.integers(0, 12), keep=st.integers(1, 6), suspects=st.sets(st.integers(1, 12)),
    attested=st.sets(st.integers(1, 12)), pins=st.sets(st.integers(1, 12), max_size=3),
)  # fmt: skip
def test_the_newest_attested_checkpoint_and_every_pin_stay(count, keep, suspects, attested, pins):
    entries = [Open(term=1, writer="east"), *(commit(h, suspect=h in suspects) for h in range(1, count + 1))]
    pins = {h for h in pins if h <= count}
    entries += [Pin(term=1, name=f"p{h}", commit=Id(term=1, height=h), reason="test") for h in pins]
    view = replay(entries)
    decision = retain(view, Policy(last=keep), now=2.0, attested=lambda a: a.what.height in attested)
    assert set(decision.keep) | set(decision.drop) == set(view.accepted)
    assert not set(decision.keep) & set(decision.drop)
    sound = [h for h in range(1, count + 1) if h in attested and h not in suspects]
    if sound:
        assert CommitId(1, max(sound)) in decision.keep
    else:
        assert not decision.drop
    assert {CommitId(1, h) for h in pins} <= set(decision.keep)
    newest = sorted(view.accepted)[-keep:]
    assert set(newest) <= set(decision.keep)
    assert all(decision.keep.values())


def test_bytes_go_only_after_the_grace_and_only_if_nothing_that_stands_needs_them():
    entries = [
        Open(term=1, writer="east"), commit(1, packs=("a", "b")), commit(2, packs=("b", "c")),
        Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=100.0, reason="test"),
    ]  # fmt: skip
    view = replay(entries)
    assert removable(view, [], 99.0) == (set(), set())
    assert removable(view, [], 100.0) == ({"a"}, {"m1"})
    other = replay([Open(term=1, writer="east"), commit(1, packs=("a",))])
    assert removable(view, [other], 100.0) == (set(), set())


def test_a_decision_to_keep_everything_writes_nothing():
    view = replay([Open(term=1, writer="east"), commit(1)])
    assert drop_entry(retain(view, Policy(last=5), now=2.0, attested=lambda _: True), term=1, bytes_after=0.0) is None


def test_the_newest_that_is_proved_stays_however_old_it_is():
    view = replay([Open(term=1, writer="east"), *(commit(height) for height in range(1, 9))])
    decision = retain(view, Policy(last=2), now=2.0, attested=lambda _: True, proved=lambda a: a.what.height in (2, 4))
    assert decision.keep[CommitId(1, 4)] == ("the newest that is proved",)
    assert set(decision.drop) == {CommitId(1, height) for height in (1, 2, 3, 5, 6)}
    assert (
        CommitId(1, 4)
        in retain(view, Policy(last=2), now=2.0, attested=lambda _: True, proved=lambda a: a.what.height != 4).drop
    )
