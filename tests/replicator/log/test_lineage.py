"""What the run that counts has behind it: followed from head to head, and nothing is left where no head is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.log.entries import Commit, Open
from replicator.log.lineage import began_from, lineage, newest_first, trace
from replicator.log.replay import replay
from replicator.model import CommitId, PackRef, What, Where

HEADS = st.dictionaries(st.integers(2, 6), st.none() | st.tuples(st.integers(1, 5), st.integers(1, 5)))


def opening(term: int, head: tuple[int, int] | None, heads: dict[str, int]) -> Open:
    copied = {"term": term, "workload": {"head": None if head is None else {"term": head[0], "height": head[1]}}}
    return Open(term=term, writer="west", heads=heads, assignment=copied)


def commit(entry_term: int, term: int, height: int) -> Commit:
    what = What(
        workload="gpt", name="n", term=term, height=height, step=height, attempt="a", root=f"{term}.{height}",
        size_bytes=1, files=1, saved_at=0.0,
    )  # fmt: skip
    return Commit(
        term=entry_term, what=what, where=Where(manifest=PackRef(digest="m", size_bytes=1), packs=(), shipped_bytes=1)
    )


def test_what_an_ended_term_has_above_the_head_that_was_chosen_is_left_and_stands():
    entries = [opening(1, None, {}), *(commit(1, 1, n) for n in (1, 2, 3, 4)), opening(2, (1, 2), {"1": 4})]
    view = replay(entries)
    assert [key for key in view.accepted if lineage(view).left(key)] == [(1, 3), (1, 4)]
    assert [each.what.id() for each in newest_first(view)] == [(1, 2), (1, 1), (1, 4), (1, 3)]
    later = replay([*entries, commit(2, 2, 1), opening(3, (1, 4), {"1": 4, "2": 1})])
    assert [each.what.id() for each in newest_first(later)] == [(1, 4), (1, 3), (1, 2), (1, 1), (2, 1)]


def test_an_assignment_that_names_no_head_or_something_else_leaves_nothing():
    for copied in (None, {}, {"workload": None}, {"workload": {"head": "1.2"}}, {"workload": {"head": {"term": 1}}}):
        assert began_from(Open(term=2, writer="w", assignment=copied)) is None


@given(HEADS, st.integers(1, 6))
def test_the_heads_on_the_way_are_behind_and_what_lies_above_them_is_left(heads, term):
    began = {at: CommitId(*head) if head else None for at, head in heads.items()}
    found = trace(began, term)
    upper = term
    for head in found.heads:
        assert head.term < upper
        assert not found.left(head)
        assert found.left(CommitId(head.term, head.height + 1))
        assert all(found.left(CommitId(between, 1)) for between in range(head.term + 1, upper))
        upper = head.term
    assert not any(found.left(CommitId(at, n)) for n in (1, 9) for at in (term, term + 1))
    assert not any(found.left(CommitId(at, 9)) for at in range(1, upper)) or found.heads
