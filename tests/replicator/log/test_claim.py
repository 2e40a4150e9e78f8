"""A create whose outcome is told wrongly, late or not at all."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.log.claim import claim
from replicator.stores.cloud import memory_store

if TYPE_CHECKING:
    from replicator.stores.cloud import CloudStore

KEY = "log/w/1"


class Scripted:
    """A memory whose creates and gets go as scripted, then well. Creates: `lost` was written, `unsent` was not,
    `conflict` is S3's 409 while another create is under way, `refused` is final. Gets: `away`, `behind` is missing."""

    def __init__(self, creates: list[str], gets: list[str] | None = None) -> None:
        self.inner: CloudStore = memory_store()
        self.creates, self.gets = creates, gets or []
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return self.inner.url

    def create(self, key: str, body: bytes) -> None:
        self.calls.append("create")
        fate = self.creates.pop(0) if self.creates else "well"
        if fate in ("well", "lost"):
            self.inner.create(key, body)
        if fate in ("lost", "unsent"):
            raise OutcomeUnknown(fate)
        if fate == "conflict":
            raise KeyExists("a conflicting operation is in progress")
        if fate == "away":
            raise StoreUnavailable(fate)
        if fate == "refused":
            raise StoreError(fate)

    def get(self, key: str) -> bytes:
        self.calls.append("get")
        fate = self.gets.pop(0) if self.gets else "well"
        if fate == "away":
            raise StoreUnavailable(fate)
        if fate == "behind":
            raise KeyMissing(fate)
        return self.inner.get(key)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


def _claim(store: Scripted, body: bytes = b"ours", tries: int = 5) -> bool:
    return claim(store, KEY, body, tries=tries, sleep=lambda _: None).ours


def test_a_free_slot_is_ours_with_one_request() -> None:
    store = Scripted([])
    assert _claim(store)
    assert store.calls == ["create"]


def test_a_taken_slot_is_not_ours_and_says_what_it_holds() -> None:
    store = Scripted([])
    store.inner.create(KEY, b"theirs")
    outcome = claim(store, KEY, b"ours", sleep=lambda _: None)
    assert (outcome.ours, outcome.found) == (False, b"theirs")
    assert store.inner.get(KEY) == b"theirs"


def test_an_object_that_was_written_but_reported_unknown_is_ours_after_one_read() -> None:
    store = Scripted(["lost"])
    assert _claim(store)
    assert store.calls == ["create", "get"]


def test_an_object_that_was_not_written_is_sent_again() -> None:
    store = Scripted(["unsent"])
    assert _claim(store)
    assert store.inner.get(KEY) == b"ours"
    assert store.calls == ["create", "get", "create"]


def test_unknown_is_never_taken_for_ours_when_somebody_else_s_object_is_there() -> None:
    for fate in ("unsent", "lost", "conflict", "away"):
        store = Scripted([fate])
        store.inner.create(KEY, b"theirs")
        if fate == "lost":
            store.creates = ["unsent"]
        assert not _claim(store)
        assert store.inner.get(KEY) == b"theirs"


def test_a_conflict_with_nothing_there_yet_is_tried_again() -> None:
    store = Scripted(["conflict", "conflict"])
    assert _claim(store)
    assert store.inner.get(KEY) == b"ours"


def test_a_retry_of_the_library_s_own_that_meets_its_first_try_is_ours() -> None:
    store = Scripted(["conflict"])
    store.inner.create(KEY, b"ours")
    assert _claim(store)


def test_a_read_that_fails_is_repeated_before_anything_is_said() -> None:
    store = Scripted(["lost"], gets=["away", "away"])
    assert _claim(store)
    assert store.inner.get(KEY) == b"ours"


def test_a_read_that_lags_behind_cannot_make_two_objects() -> None:
    store = Scripted(["lost"], gets=["behind"])
    assert _claim(store)
    assert store.calls == ["create", "get", "create", "get"]


def test_nobody_could_say_is_an_outcome_of_its_own() -> None:
    store = Scripted(["lost"] + ["unsent"] * 9, gets=["away"] * 9)
    with pytest.raises(OutcomeUnknown, match="nobody could say"):
        _claim(store, tries=3)
    assert store.calls.count("create") == 3


def test_a_refusal_is_final_and_not_asked_twice() -> None:
    store = Scripted(["refused"])
    with pytest.raises(StoreError, match="refused"):
        _claim(store)
    assert store.calls == ["create"]


@pytest.mark.parametrize("taken", [False, True])
def test_whatever_goes_wrong_in_three_rounds_ours_is_said_exactly_when_our_bytes_stand(taken: bool) -> None:
    creates = ("well", "lost", "unsent", "conflict", "away")
    gets = ("well", "away", "behind")
    said = {True: 0, False: 0, None: 0}
    for script in itertools.product(itertools.product(creates, repeat=3), itertools.product(gets, repeat=3)):
        store = Scripted(list(script[0]), list(script[1]))
        if taken:
            store.inner.create(KEY, b"theirs")
            store.creates = ["unsent" if fate in ("well", "lost") else fate for fate in store.creates]
        try:
            ours = _claim(store, tries=3)
        except (OutcomeUnknown, KeyExists):
            ours = None
        said[ours] += 1
        if ours is not None:
            assert ours == (store.inner.get(KEY) == b"ours") == (not taken), script
    assert said[not taken] > 0
    assert said[taken] == 0
    assert said[None] > 0
