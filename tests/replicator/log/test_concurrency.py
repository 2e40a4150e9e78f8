"""Threads, each with a log of its own, on one folder: dense, linked, nothing lost, nothing twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from replicator.errors import Sealed
from replicator.log.replay import replay
from replicator.stores.local import LocalStore
from tests.replicator.log.builders import log_on, opened, what, where

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.log.workload import WorkloadLog
    from replicator.model import CommitId

THREADS = 6
EACH = 8


def at_once(*work: Callable[[], None]) -> None:
    trouble: list[BaseException] = []
    start = threading.Barrier(len(work))

    def run(one: Callable[[], None]) -> None:
        start.wait()
        try:
            one()
        except BaseException as error:  # noqa: BLE001 - raised below
            trouble.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def log_in(folder: Path) -> WorkloadLog:
    return log_on(LocalStore(folder))


def test_every_commit_of_every_thread_has_a_slot_of_its_own(tmp_path: Path) -> None:
    log_in(tmp_path).open(opened(1))
    slots: dict[CommitId, int] = {}

    def writer(n: int) -> Callable[[], None]:
        def write() -> None:
            log = log_in(tmp_path)
            for k in range(EACH):
                contents = what(1, 1 + n * EACH + k)
                slots[contents.id()] = log.commit(contents, lambda _: where(), term=1).slot

        return write

    at_once(*(writer(n) for n in range(THREADS)))
    view = log_in(tmp_path).view()
    assert view.slots == 1 + THREADS * EACH
    assert view.void == ()
    assert {key: accepted.slot for key, accepted in view.accepted.items()} == slots
    assert sorted(slots.values()) == list(range(2, 2 + THREADS * EACH))


def test_threads_that_want_the_same_heights_never_both_get_one(tmp_path: Path) -> None:
    log_in(tmp_path).open(opened(1))
    won: list[tuple[int, str]] = []

    def writer(attempt: str) -> Callable[[], None]:
        def write() -> None:
            log = log_in(tmp_path)
            for height in range(1, EACH + 1):
                try:
                    log.commit(what(1, height, attempt=attempt), lambda _: where(), term=1)
                except Sealed:
                    continue
                won.append((height, attempt))

        return write

    at_once(*(writer(f"attempt-{n}") for n in range(THREADS)))
    accepted = log_in(tmp_path).view().accepted
    assert sorted(won) == sorted((key.height, each.what.attempt) for key, each in accepted.items())
    assert len(won) == EACH


def test_what_was_acknowledged_before_a_seal_is_below_it_and_nothing_is_acknowledged_after(tmp_path: Path) -> None:
    log_in(tmp_path).open(opened(1))
    acknowledged: set[CommitId] = set()
    sealed: list[int] = []
    halfway = threading.Event()

    def writer(n: int) -> Callable[[], None]:
        def write() -> None:
            log = log_in(tmp_path)
            for k in range(100):
                contents = what(1, 1 + 100 * n + k)
                try:
                    log.commit(contents, lambda _: where(), term=1)
                except Sealed:
                    return
                acknowledged.add(contents.id())
                if len(acknowledged) > 2 * THREADS:
                    halfway.set()

        return write

    def promoter() -> None:
        halfway.wait()
        sealed.append(log_in(tmp_path).seal(1, reason="promotion").n)

    at_once(*(writer(n) for n in range(THREADS)), promoter, promoter)
    assert len(set(sealed)) == 1
    entries = log_in(tmp_path).entries()
    assert set(replay(entries[: sealed[0]]).accepted) == acknowledged == set(replay(entries).accepted)
    assert len(acknowledged) < THREADS * 100
