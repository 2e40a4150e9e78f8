"""What many ask at a time is asked once, and nobody is told what was found before they asked."""

from __future__ import annotations

import threading
import time

import pytest

from drstack.witness.joining import Joined


def in_threads(calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_who_asks_while_one_call_is_under_way_shares_the_next_and_is_told_nothing_older():
    state, made, found = [0], [], []
    gate = threading.Event()

    def call():
        value = state[0]
        made.append(value)
        if len(made) == 1:
            gate.wait(30)
        return value

    joined = Joined(call)
    first = threading.Thread(target=lambda: found.append(("first", joined())))
    first.start()
    while not made:
        time.sleep(0.001)
    state[0] = 1
    later = [threading.Thread(target=lambda: found.append(("later", joined()))) for _ in range(20)]
    for thread in later:
        thread.start()
    while len(joined._together._waiting) < len(later):
        time.sleep(0.001)
    gate.set()
    for thread in (first, *later):
        thread.join(30)
    assert sorted(found) == [("first", 0)] + [("later", 1)] * 20
    assert made == [0, 1]


def test_what_went_wrong_reaches_each_who_waited_and_the_next_call_is_made_anew():
    away = [True]

    def call():
        time.sleep(0.01)
        if away[0]:
            raise OSError("away")
        return "there"

    joined, errors = Joined(call), []

    def ask():
        with pytest.raises(OSError, match="away"):
            joined()
        errors.append(1)

    in_threads([ask] * 10)
    assert len(errors) == 10
    away[0] = False
    assert joined() == "there"


def test_who_is_interrupted_while_it_waits_is_taken_out_and_the_others_go_on():
    gate, made = threading.Event(), []

    def call():
        made.append(1)
        gate.wait(30)

    joined, found = Joined(call), []
    first = threading.Thread(target=joined)
    first.start()
    while not made:
        time.sleep(0.001)
    waits = joined._together._changed.wait

    def interrupted(*_arguments):
        joined._together._changed.wait = waits
        raise KeyboardInterrupt

    joined._together._changed.wait = interrupted
    with pytest.raises(KeyboardInterrupt):
        joined()
    assert joined._together._waiting == []
    other = threading.Thread(target=lambda: found.append(joined()))
    other.start()
    gate.set()
    in_threads([])
    first.join(30)
    other.join(30)
    assert found == [None]
    assert len(made) == 2
