"""Which logged losses speak for a checkpoint, and what a file of them may hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drstack.proving.evidence import Evidence, NotProvable, evidence
from drstack.proving.losses import LossesUnreadable, LossLog, parse

ON = {"torch": "2.14"}


def log(first, last, *, attempt="a", resumed=None, exact=None, world=2, on=None):
    return LossLog(attempt, resumed, exact, world, on or ON, {n: float(n) for n in range(first, last + 1)})


def judged(own, *after, step=10, most=5, twin=False):
    return evidence(step, own, after, most=most, twin=twin)


def test_the_same_process_speaks_for_its_own_checkpoint_up_to_so_many_steps():
    found = judged(log(1, 10), log(1, 20))
    assert found == Evidence({n: float(n) for n in range(11, 16)}, 2, ON)
    assert judged(log(1, 10), log(11, 12), log(11, 20), most=4) == Evidence({n: float(n) for n in range(11, 15)}, 2, ON)


def test_a_process_that_resumed_from_it_bit_for_bit_speaks_for_it():
    assert isinstance(judged(log(1, 10), log(11, 20, attempt="b", resumed=10, exact=True)), Evidence)
    assert isinstance(judged(log(1, 10), log(11, 20, attempt="b", resumed=10, exact=False)), NotProvable)
    assert isinstance(judged(log(1, 10), log(9, 20, attempt="b", resumed=8, exact=True)), NotProvable)
    assert isinstance(judged(log(1, 10), log(11, 20, attempt="b", resumed=10, exact=True), twin=True), NotProvable)


def test_losses_on_other_machines_are_not_mixed():
    found = judged(log(1, 10), log(11, 13), log(11, 20, attempt="b", resumed=10, exact=True, on={"torch": "9"}))
    assert found == Evidence({11: 11.0, 12: 12.0, 13: 13.0}, 2, ON)


@pytest.mark.parametrize(
    ("own", "after", "why", "later"),
    [
        (None, [log(1, 20)], "no losses logged", False),
        (log(1, 10), [], "have not arrived", True),
        (log(1, 10), [None], "no later checkpoint", True),
        (log(1, 10), [log(12, 20)], "no later checkpoint", True),
        (log(1, 10), [log(1, 11)], "no later checkpoint", True),
    ],
)
def test_why_it_cannot_be_proved(own, after, why, later):
    found = judged(own, *after)
    assert isinstance(found, NotProvable)
    assert why in found.why
    assert found.later is later


def test_a_file_says_what_a_process_wrote():
    start = {"event": "start", "attempt": "a", "resumed_step": 3, "exact": True, "world": 2, "versions": ON, "more": 1}
    rows = [
        start,
        {"event": "step", "step": 4, "loss_hex": (0.1).hex()},
        {"event": "x"},
        {"event": "step", "step": 5, "loss": 2},
    ]
    read = parse("\n".join(map(json.dumps, rows)).encode() + b"\n")
    assert read == LossLog("a", 3, True, 2, ON, {4: 0.1, 5: 2.0})


START = {"event": "start", "attempt": "a", "resumed_step": None, "world": 1, "versions": ON}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "line 1 is no JSON"),
        (b"[1]", "line 1 is no object"),
        (json.dumps({**START, "world": 0}).encode(), "world"),
        (json.dumps({**START, "versions": {}}).encode(), "versions"),
        (json.dumps(START).encode() + b'\n{"event": "step", "step": "4", "loss": 1}', "line 2: `step` is '4'"),
        (json.dumps(START).encode() + b'\n{"event": "step", "step": 4, "loss_hex": "zz"}', "`loss_hex` is 'zz'"),
        (json.dumps(START).encode() + b'\n{"event": "step", "step": 4, "loss": "1"}', "neither"),
        (json.dumps(START).encode() + b"\n" + b"[" * 100_000, "line 2"),
    ],
)
def test_rubbish_is_told_by_line(text, said):
    with pytest.raises(LossesUnreadable, match=said.replace("[", "\\[")):
        parse(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(text):
    for given_text in (text, json.dumps(START).encode() + b"\n" + text):
        try:
            parse(given_text)
        except LossesUnreadable:
            continue
