"""What replay keeps for any log at all: against a slow reading of the rules, and under zombies and cuts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.log.entries import Commit, Drop, Entry, Open, Pin, Seal, Unpin
from replicator.log.replay import Fold, LogView, replay
from tests.replicator.log.builders import commit, compact, drop, opened, pin, seal, unpin

TERMS = (1, 2, 3)
PAIRS = [(term, height) for term in TERMS for height in (1, 2, 3, 4)]
BASES = [None, *PAIRS]


def _every(term: int) -> list[Entry]:
    """One of each thing that can be said in a term, built once: drawing is then cheap."""
    own = [commit(term, h, base=base, attempt=a) for h in (1, 2, 3, 4) for a in "ab" for base in BASES]
    copied = [commit(term, height, of=of) for of, height in PAIRS]
    pins = [pin(term, name, *pair) for name in "pq" for pair in PAIRS] + [unpin(term, name) for name in "pq"] * 4
    drops = [drop(term, one, two) for one in PAIRS for two in PAIRS if one <= two]
    compactions = [compact(term, *pair, base=base) for pair in PAIRS for base in BASES]
    return [each for kind in (own, copied, pins, drops, compactions) for each in (kind * (200 // len(kind) + 1))[:200]]


ENTRIES = {term: st.sampled_from(_every(term)) for term in TERMS}
SEALS = [seal(term) for term in range(5)]
OPENS = [
    opened(term, writer, t1=one, t2=two)
    for term in TERMS for writer in ("east", "west") for one in (0, 2, 4) for two in (0, 2, 4)
]  # fmt: skip
any_term = st.one_of(*ENTRIES.values())


@st.composite
def lively_logs(draw: st.DrawFn) -> list[Entry]:
    """Logs in which most entries count: one term after another, a few strays among them."""
    log: list[Entry] = []
    for term in range(1, draw(st.integers(1, 3)) + 1):
        log.append(draw(st.sampled_from([each for each in OPENS if each.term == term])))
        log += draw(st.lists(ENTRIES[term], max_size=10))
        log += draw(st.sampled_from([[], [SEALS[term]]]))
        log += draw(st.lists(any_term, max_size=2))
    return log


any_entry = st.one_of(any_term, st.sampled_from([*SEALS, *OPENS]))
logs = st.one_of(lively_logs(), st.lists(any_entry, max_size=20))
often = settings(max_examples=150)


def counts(log: list[Entry], n: int) -> bool:
    """Whether slot n's term is the open one there, read off the whole log below it, without folding."""
    below, entry = log[: n - 1], log[n - 1]
    if any(isinstance(each, Seal) and each.term >= entry.term for each in below):
        return False
    opens = [m for m in range(1, n) if isinstance(log[m - 1], Open) and counts(log, m)]
    if isinstance(entry, Open):
        return all(log[m - 1].term < entry.term for m in opens)
    return bool(opens) and log[opens[-1] - 1].term == entry.term


def snapshot(view: LogView) -> object:
    return (dict(view.accepted), dict(view.dropped), dict(view.pins), view.heads(), view.term)


@given(logs, any_entry)
@often
def test_views_taken_on_the_way_are_those_of_the_entries_so_far_and_stay_so(log: list[Entry], next_one: Entry) -> None:
    fold, views = Fold(), []
    for entry in log:
        why = fold.refusal(next_one)
        assert why == next(
            (v.reason for v in replay([*log[: fold.slots], next_one]).void if v.slot == fold.slots + 1), None
        )
        fold.take(entry)
        views.append(fold.view())
    for n, view in enumerate(views, 1):
        assert view == replay(log[:n])


@given(logs)
@often
def test_only_entries_of_the_open_unsealed_term_ever_count(log: list[Entry]) -> None:
    view = replay(log)
    void = {each.slot for each in view.void}
    for n, entry in enumerate(log, 1):
        if not isinstance(entry, Seal) and not counts(log, n):
            assert n in void, (n, entry)
    for accepted in view.accepted.values():
        assert counts(log, accepted.slot)


@given(logs)
@often
def test_every_commit_is_accounted_for_once_as_standing_dropped_or_void(log: list[Entry]) -> None:
    view = replay(log)
    places = [a.slot for a in view.accepted.values()] + [a.slot for a, _ in view.dropped.values()]
    places += [void.slot for void in view.void if void.kind == "commit"]
    assert sorted(places) == [n for n, entry in enumerate(log, 1) if isinstance(entry, Commit)]
    for key, accepted in view.accepted.items():
        entry = log[accepted.slot - 1]
        assert isinstance(entry, Commit)
        assert accepted.what == entry.what
        assert accepted.what.id() == key


@given(logs, st.integers(1, 3), st.lists(any_term, max_size=6))
@often
def test_nothing_that_a_zombie_appends_after_its_seal_changes_anything(
    log: list[Entry], term: int, zombie: list[Entry]
) -> None:
    sealed = [*log, seal(term)]
    late = [entry for entry in zombie if entry.term <= term]
    assert snapshot(replay([*sealed, *late])) == snapshot(replay(sealed))


@given(logs, st.integers(0, 20), st.integers(1, 3))
@often
def test_a_seal_keeps_exactly_what_stood_below_it_from_its_terms(log: list[Entry], at: int, term: int) -> None:
    cut = min(at, len(log))
    before = replay(log[:cut])
    after = replay([*log[:cut], seal(term), *(e for e in log[cut:] if not isinstance(e, Open) or e.term <= term)])
    if before.term <= term:
        assert snapshot(after) == snapshot(before)


@given(logs)
@often
def test_a_commit_that_stood_is_lost_only_to_a_drop_or_to_an_open_that_does_not_cover_it(log: list[Entry]) -> None:
    before = replay([])
    for n, entry in enumerate(log, 1):
        view = replay(log[:n])
        lost = before.accepted.keys() - view.accepted.keys()
        if isinstance(entry, Open):
            assert all(key.height > entry.heads.get(str(key.term), 0) for key in lost)
        elif isinstance(entry, Drop):
            assert lost <= {commit.key() for commit in entry.commits}
            assert not lost & set(before.pins.values())
        else:
            assert not lost
        before = view


@given(logs)
@often
def test_pins_change_only_by_their_own_pin_and_unpin(log: list[Entry]) -> None:
    before = replay([])
    for n, entry in enumerate(log, 1):
        view = replay(log[:n])
        if dict(view.pins) != dict(before.pins):
            assert isinstance(entry, Pin | Unpin)
            changed = {name for name, _ in set(view.pins.items()) ^ set(before.pins.items())}
            assert changed == {entry.name}
            if isinstance(entry, Pin):
                assert entry.name not in before.pins
        before = view


@given(logs)
@often
def test_every_open_of_what_stands_in_several_logs_covers_what_stands_in_each(log: list[Entry]) -> None:
    view = replay(log)
    reopened = Open(term=9, writer="west", heads=view.heads())
    assert dict(replay([*log, seal(8), reopened]).accepted) == dict(view.accepted)
    assert dict(replay([*log, seal(8), reopened]).dropped) == dict(view.dropped)


@given(logs)
def test_terms_and_seals_only_rise(log: list[Entry]) -> None:
    views = [replay(log[:n]) for n in range(len(log) + 1)]
    assert [view.term for view in views] == sorted(view.term for view in views)
    assert [view.sealed for view in views] == sorted(view.sealed for view in views)


@given(logs)
def test_no_checkpoint_leans_on_itself_however_it_was_compacted(log: list[Entry]) -> None:
    accepted = replay(log).accepted
    for start, each in accepted.items():
        base = each.where.base
        for _ in range(len(accepted) + 1):
            if base is None or base.key() not in accepted:
                break
            assert base.key() != start
            base = accepted[base.key()].where.base
