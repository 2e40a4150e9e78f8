"""What a log says, rule by rule (DESIGN, rules 3, 6 and 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.log.replay import replay
from replicator.model import CommitId
from tests.replicator.log.builders import commit, compact, drop, ids, opened, pin, seal, unpin, where

if TYPE_CHECKING:
    from replicator.log.entries import Commit
    from replicator.log.replay import LogView


def voids(view: LogView) -> dict[int, str]:
    return {void.slot: void.reason for void in view.void}


def test_an_empty_log_says_nothing() -> None:
    view = replay([])
    assert (view.slots, view.term, view.sealed, view.writable) == (0, 0, 0, False)
    assert view.heads() == {}


def test_commits_of_the_open_term_stand_in_the_order_of_term_and_height() -> None:
    view = replay([opened(1), commit(1, 2), commit(1, 1), commit(1, 10)])
    assert [each.what.id() for each in view.in_order()] == [(1, 1), (1, 2), (1, 10)]
    assert view.heads() == {"1": 10}
    assert view.writable


def test_a_commit_before_any_open_is_void() -> None:
    view = replay([commit(1, 1), opened(1), commit(1, 2)])
    assert set(view.accepted) == ids((1, 2))
    assert "not the open one (none)" in voids(view)[1]


def test_a_seal_voids_what_comes_after_it_and_leaves_what_is_below() -> None:
    view = replay([opened(1), commit(1, 1), seal(1), commit(1, 2), pin(1, "p", 1, 1), drop(1, (1, 1))])
    assert set(view.accepted) == ids((1, 1))
    assert set(voids(view)) == {4, 5, 6}
    assert (view.pins, view.writable, view.sealed) == ({}, False, 1)


def test_a_seal_of_a_later_term_seals_every_earlier_one_and_keeps_them_from_opening() -> None:
    view = replay([opened(1), commit(1, 1), seal(3), commit(1, 2), opened(2, t1=9), opened(3, t1=9), opened(4, t1=9)])
    assert set(voids(view)) == {4, 5, 6}
    assert (view.term, view.writable) == (4, True)


def test_a_lower_seal_after_a_higher_one_changes_nothing() -> None:
    view = replay([opened(1), seal(2), seal(1), opened(2), opened(3)])
    assert (view.sealed, view.term) == (2, 3)
    assert view.seals == ((2, 2), (3, 1))


def test_a_late_seal_of_the_term_before_does_not_touch_the_open_one() -> None:
    view = replay([opened(1), seal(1), opened(2), seal(1), commit(2, 1)])
    assert set(view.accepted) == ids((2, 1))


def test_a_term_opens_once_and_terms_never_go_down() -> None:
    view = replay([opened(2, "west"), opened(2, "east"), opened(1, "east"), commit(1, 1), commit(2, 1)])
    assert view.opened[2].writer == "west"
    assert set(view.accepted) == ids((2, 1))
    assert set(voids(view)) == {2, 3, 4}


def test_an_open_ends_the_term_before_even_without_a_seal() -> None:
    view = replay([opened(1), opened(2), commit(1, 1)])
    assert voids(view) == {3: "term 1 is not the open one (2)"}


def test_heads_of_an_open_void_the_tail_that_they_do_not_cover_and_it_is_listed() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2), commit(1, 3), seal(1), opened(2, t1=2)]
    view = replay(entries)
    assert set(view.accepted) == ids((1, 1), (1, 2))
    assert [(void.slot, void.commit) for void in view.void] == [(4, CommitId(1, 3))]
    assert set(replay([*entries[:-1], opened(2)]).accepted) == set()


def test_a_commit_copied_in_later_stands_only_if_the_heads_cover_it() -> None:
    entries = [opened(1), commit(1, 1), seal(1), opened(2, t1=3), commit(2, 3, of=1), commit(2, 4, of=1)]
    view = replay(entries)
    assert set(view.accepted) == ids((1, 1), (1, 3))
    assert voids(view) == {6: "the open of term 2 does not cover it"}


def test_a_voided_tail_cannot_come_back_as_a_copy_whoever_makes_it() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2, attempt="zombie"), seal(1), opened(2, t1=1)]
    view = replay([*entries, commit(2, 2, of=1, attempt="zombie"), commit(2, 1)])
    assert set(view.accepted) == ids((1, 1), (2, 1))
    assert view.heads() == {"1": 1, "2": 1}


def test_a_checkpoint_of_a_later_term_than_its_entry_is_void() -> None:
    assert set(replay([opened(1), commit(1, 1, of=2)]).accepted) == set()


def test_heads_keep_the_terms_that_this_repository_never_held() -> None:
    joined_late = replay([opened(3, t1=5, t2=7), commit(3, 1)])
    assert joined_late.heads() == {"1": 5, "2": 7, "3": 1}
    there_all_along = [opened(1), commit(1, 5), seal(1), opened(2, t1=5), commit(2, 7), seal(2)]
    reopened = replay([*there_all_along, opened(4, **{f"t{term}": h for term, h in joined_late.heads().items()})])
    assert set(reopened.accepted) == ids((1, 5), (2, 7))


def test_heads_count_what_was_dropped_but_not_what_is_void() -> None:
    view = replay([opened(1), commit(1, 1), commit(1, 2), drop(1, (1, 2)), seal(1), commit(1, 3)])
    assert view.heads() == {"1": 2}


def test_one_height_holds_one_checkpoint_and_the_first_stays() -> None:
    view = replay([opened(1), commit(1, 1, attempt="a"), commit(1, 1, attempt="b")])
    assert view.accepted[CommitId(1, 1)].what.attempt == "a"
    assert voids(view) == {3: "1.1 is there already"}


def test_a_dropped_height_is_not_taken_again() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 1)), commit(1, 1)])
    assert (set(view.accepted), set(view.dropped)) == (set(), ids((1, 1)))
    assert voids(view) == {4: "1.1 is there already"}


def test_a_commit_on_a_base_that_was_dropped_before_it_is_void() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 1)), commit(1, 2, base=(1, 1))])
    assert set(view.accepted) == set()
    assert voids(view) == {4: "its base 1.1 does not stand here"}


def test_a_commit_on_a_base_that_is_dropped_after_it_stands() -> None:
    view = replay([opened(1), commit(1, 1), commit(1, 2, base=(1, 1)), drop(1, (1, 1))])
    assert set(view.accepted) == ids((1, 2))


def test_a_commit_on_a_base_that_was_never_here_is_void() -> None:
    assert set(replay([opened(1), commit(1, 2, base=(1, 1))]).accepted) == set()


def test_a_drop_that_names_anything_pinned_is_void_as_a_whole() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2), pin(1, "restore", 1, 1), drop(1, (1, 1), (1, 2))]
    view = replay(entries)
    assert set(view.accepted) == ids((1, 1), (1, 2))
    assert voids(view) == {5: "1.1 was pinned before it"}
    assert set(replay([*entries, unpin(1, "restore"), drop(1, (1, 1), (1, 2))]).accepted) == set()


def test_two_pins_on_one_commit_hold_until_both_are_gone() -> None:
    entries = [opened(1), commit(1, 1), pin(1, "a", 1, 1), pin(1, "b", 1, 1), unpin(1, "a")]
    assert set(replay([*entries, drop(1, (1, 1))]).accepted) == ids((1, 1))
    assert set(replay([*entries, unpin(1, "b"), drop(1, (1, 1))]).accepted) == set()


def test_a_pin_of_what_was_dropped_before_it_is_void() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 1)), pin(1, "late", 1, 1)])
    assert view.pins == {}
    assert voids(view) == {4: "1.1 does not stand here"}


def test_a_pin_cannot_be_taken_away_by_pinning_something_else_under_its_name() -> None:
    view = replay([opened(1), commit(1, 1), commit(1, 2), pin(1, "p", 1, 1), pin(1, "p", 1, 2), drop(1, (1, 1))])
    assert view.pins == {"p": (1, 1)}
    assert set(view.accepted) == ids((1, 1), (1, 2))


def test_a_pin_outlives_the_term_in_which_it_was_made() -> None:
    view = replay([opened(1), commit(1, 1), pin(1, "p", 1, 1), seal(1), opened(2, t1=1), drop(2, (1, 1))])
    assert set(view.accepted) == ids((1, 1))


def test_an_unpin_or_a_drop_from_a_sealed_term_is_void() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2), pin(1, "p", 1, 1), seal(1)]
    view = replay([*entries, unpin(1, "p"), drop(1, (1, 2)), opened(2, t1=2), unpin(1, "p"), drop(1, (1, 2))])
    assert set(view.accepted) == ids((1, 1), (1, 2))
    assert view.pins == {"p": (1, 1)}


def test_dropping_what_is_not_there_takes_nothing() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 9), (7, 7))])
    assert (set(view.accepted), view.dropped) == (ids((1, 1)), {})


def test_a_dropped_commit_keeps_its_place_and_the_time_from_which_its_bytes_may_go() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 1))])
    gone, bytes_after = view.dropped[CommitId(1, 1)]
    assert (gone.slot, bytes_after) == (2, 50.0)


def test_what_was_dropped_and_is_then_not_covered_is_listed_as_void() -> None:
    view = replay([opened(1), commit(1, 1), drop(1, (1, 1)), seal(1), opened(2)])
    assert view.dropped == {}
    assert [(void.slot, void.commit) for void in view.void] == [(2, (1, 1))]


def test_compaction_changes_where_and_nothing_else() -> None:
    view = replay([opened(1), commit(1, 1), compact(1, 1, 1, name="new")])
    found = view.accepted[CommitId(1, 1)]
    assert (found.slot, found.what) == (2, commit(1, 1).what)
    assert found.where == where(name="new")


def test_compaction_of_what_does_not_stand_or_onto_what_does_not_is_void() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2), drop(1, (1, 1))]
    view = replay([*entries, compact(1, 1, 1), compact(1, 1, 9), compact(1, 1, 2, base=(1, 1))])
    assert set(voids(view)) == {5, 6, 7}


def test_compaction_cannot_make_checkpoints_lean_on_each_other_in_a_circle() -> None:
    entries = [opened(1), commit(1, 1), commit(1, 2, base=(1, 1)), commit(1, 3, base=(1, 2))]
    view = replay([*entries, compact(1, 1, 1, base=(1, 3)), compact(1, 1, 1, base=(1, 1))])
    assert set(voids(view)) == {5, 6}
    assert view.accepted[CommitId(1, 1)].where.base is None


def test_compaction_of_what_is_pinned_is_void_until_it_is_let_go_of() -> None:
    entries = [opened(1), commit(1, 1), pin(1, "restore", 1, 1), compact(1, 1, 1, name="x")]
    view = replay([*entries, unpin(1, "restore"), compact(1, 1, 1, name="y")])
    assert voids(view) == {4: "1.1 was pinned before it"}
    assert view.accepted[CommitId(1, 1)].where == where(name="y")
    assert [each.where for each in view.replaced] == [commit(1, 1).where]


def test_what_was_let_go_of_is_not_named_again_from_the_first_compaction_on() -> None:
    def named(height: int, name: str) -> Commit:
        return commit(1, height).model_copy(update={"where": where(name=name)})

    before = [opened(1), named(1, "a"), drop(1, (1, 1)), named(2, "a")]
    assert not replay(before).void
    entries = [opened(1), named(1, "a"), named(2, "b"), named(3, "b"), drop(1, (1, 1))]
    view = replay([*entries, compact(1, 1, 2, name="a"), compact(1, 1, 2, name="c"), named(4, "a"), named(5, "b")])
    assert voids(view) == {6: "a was let go of before it", 8: "a was let go of before it"}
    assert view.let_go == {"a"}
    assert replay([*entries, compact(1, 1, 2, name="c"), compact(1, 1, 3, name="d"), named(5, "b")]).let_go == {
        "a",
        "b",
    }


def test_what_an_open_made_void_before_the_first_compaction_was_let_go_of_too() -> None:
    first = commit(1, 2).model_copy(update={"where": where(name="gone")})
    entries = [opened(1), commit(1, 1), first, seal(1), opened(2, t1=1), compact(2, 1, 1, name="gone")]
    assert voids(replay(entries)) == {3: "the open of term 2 does not cover it", 6: "gone was let go of before it"}


def test_what_was_dropped_comes_back_by_naming_that_drop_and_with_bytes_of_its_own() -> None:
    def back(again: int | None, name: str) -> Commit:
        return commit(1, 1).model_copy(update={"where": where(name=name), "again": again})

    gone = [opened(1), commit(1, 1), commit(1, 2).model_copy(update={"where": where(name="o")}), drop(1, (1, 1))]
    assert set(voids(replay([*gone, back(None, "new")]))) == {5}
    assert set(voids(replay([*gone, back(3, "new")]))) == {5}
    assert voids(replay([*gone, back(4, "m")])) == {5: "m was let go of before it"}
    view = replay([*gone, back(4, "new"), back(4, "twice")])
    assert set(voids(view)) == {6}
    assert (set(view.accepted), dict(view.dropped)) == (ids((1, 1), (1, 2)), {})
    assert [(each.commit, each.bytes_after) for each in view.replaced] == [((1, 1), 50.0)]
    again = replay([*gone, back(4, "new"), drop(1, (1, 1)), back(4, "late"), back(6, "right")])
    assert set(voids(again)) == {7}
    assert again.accepted[CommitId(1, 1)].where == where(name="right")
