"""What a comparison of losses says: bits first, and of unlike machines only what was learnt of their pair."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drstack.proving.proof import bits, compare, distance, ulps, unlikeness
from drstack.proving.tolerance import LEAST, MARGIN, MOST, Observation, learn, pair_of

UNLIKE = ("torch 2.14 logged, 2.15 here",)
SAID = {9: 4.25, 10: 4.5, 11: 4.125}


def test_equal_bits_prove_on_like_machines_and_on_unlike_ones():
    assert compare(SAID, dict(SAID), unlike=(), tolerance=None).verdict == "proved"
    proof = compare(SAID, dict(SAID), unlike=UNLIKE, tolerance=None)
    assert (proof.verdict, proof.first, proof.last) == ("proved", 9, 11)
    assert "though unlike: torch 2.14 logged, 2.15 here" in proof.reason


@given(st.sampled_from(sorted(SAID)), st.integers(1, 2**52))
def test_any_other_bit_on_like_machines_differs_and_names_the_first_step(step, apart):
    rank = struct.unpack(">q", bits(SAID[step]))[0] + apart
    other = struct.unpack(">d", struct.pack(">q", rank))[0]
    proof = compare(SAID, {**SAID, step: other}, unlike=(), tolerance=1.0)
    assert (proof.verdict, proof.step, proof.ulps) == ("differs", step, apart)
    assert (proof.logged, proof.replayed) == (SAID[step], other)
    assert f"step {step}: {SAID[step]!r} was logged, {other!r} replayed" in proof.reason


def test_the_first_loss_knows_no_optimizer():
    first = compare(SAID, {**SAID, 9: 5.0}, unlike=(), tolerance=None)
    second = compare(SAID, {**SAID, 10: 5.0}, unlike=(), tolerance=None)
    assert "weights, the data's position or the random state" in first.reason
    assert "optimizer" in second.reason
    assert "weights" not in second.reason


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -4.25, 0.0, -0.0])
def test_what_is_no_number_differs_and_never_raises(wrong):
    assert compare(SAID, {**SAID, 9: wrong}, unlike=(), tolerance=None).verdict == "differs"
    assert compare(SAID, {**SAID, 9: wrong}, unlike=UNLIKE, tolerance=0.01).verdict == "differs"
    assert compare({9: wrong}, {9: wrong}, unlike=(), tolerance=None).verdict == "proved"


def test_zero_and_minus_zero_are_other_bits_and_no_distance():
    proof = compare({9: 0.0}, {9: -0.0}, unlike=(), tolerance=None)
    assert (proof.verdict, proof.greatest) == ("differs", 0.0)


@given(st.floats(), st.floats())
@example(0.0, -0.0)
@example(math.nan, 1.0)
def test_distances_are_symmetric_and_zero_only_for_equal_values(one, other):
    assert distance(one, other) == distance(other, one)
    assert ulps(one, other) == ulps(other, one)
    assert (distance(one, other) == 0.0) == (bits(one) == bits(other) or one == other)


def test_unlike_machines_are_judged_by_what_was_learnt_and_by_nothing_else():
    near = {**SAID, 10: 4.5 * (1 + 1e-6)}
    assert compare(SAID, near, unlike=UNLIKE, tolerance=None).verdict == "withheld"
    assert compare(SAID, near, unlike=UNLIKE, tolerance=1e-5).verdict == "proved"
    proof = compare(SAID, near, unlike=UNLIKE, tolerance=1e-7)
    assert proof.verdict == "differs"
    assert "never further apart than 1e-07, now 1e-06" in proof.reason


def test_unlikeness_names_every_difference_and_what_one_side_does_not_say():
    assert unlikeness({"torch": "2.14", "a": "1"}, {"torch": "2.14", "a": "1"}) == ()
    assert unlikeness({"torch": "2.14"}, {"torch": "2.15", "cuda": "13"}) == (
        "cuda not said logged, 13 here", "torch 2.14 logged, 2.15 here",
    )  # fmt: skip


PAIR = pair_of({"torch": "2.14"}, {"torch": "2.15"})


def seen(*greatest, pair=PAIR):
    return [Observation(pair, f"gpt 1.{n}", each) for n, each in enumerate(greatest)]


def test_nothing_is_allowed_before_enough_checkpoints_were_seen():
    assert learn(seen(*[1e-6] * (LEAST - 1)), PAIR) is None
    assert learn(seen(*[1e-6] * LEAST), PAIR) == MARGIN * 1e-6
    assert learn([Observation(PAIR, "gpt 1.1", 1e-6)] * 20, PAIR) is None, "one checkpoint tried often is one"
    assert learn(seen(*[1e-6] * 9, pair=pair_of({"torch": "2.15"}, {"torch": "2.14"})), PAIR) is None


@given(st.lists(st.floats(0, 1e300) | st.just(math.inf), min_size=0, max_size=12))
def test_no_history_allows_more_than_the_most(greatest):
    allowed = learn(seen(*greatest), PAIR)
    assert allowed is None or 0 <= allowed <= MOST


def test_a_damaged_checkpoint_among_sound_ones_widens_nothing():
    assert learn(seen(1e-6, 2e-6, 1e-6, 2e-6, 1e-6, 5e-3), PAIR) == MARGIN * 2e-6
