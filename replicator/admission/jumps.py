"""A weight that moved further from one checkpoint to the next than it ever did.

Invariant: what a spike of the gradient does is not said to be a fault. A spike moves many weights, each by another
factor, or shows in the optimizer's moments; a fault in a file does neither.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from replicator.admission.findings import Finding
from replicator.admission.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.admission.policy import Policy
    from replicator.admission.series import Series

COMPANY = 0.5
"""The part of all weights that are trained, which moves unusually when the gradient spikes."""
UNUSUAL = 3.0
"""Times the furthest that a weight moved before."""
SPIKE = 10.0
"""Times its last norm, for a moment."""
ALIKE = 0.01
"""Factors nearer to each other than this are one factor: a spike does not make them."""


class _Motion(NamedTuple):
    series: Series
    moved: float
    """The logarithm of now / last norm."""
    usual: float
    """The greatest of those before, without sign."""


def judge_jumps(compared: Sequence[Series], policy: Policy) -> list[Finding]:
    motions = [motion for each in compared if (motion := _motion(each, policy)) is not None]
    jumped = [each for each in motions if abs(each.moved) > _allowed(each, policy)]
    if not jumped or _spiked(compared, policy) or _in_company(jumped, motions):
        return []
    return [_finding(each) for each in jumped]


def _motion(series: Series, policy: Policy) -> _Motion | None:
    now = series.now
    norms = [each.norm for each in series.past if each.sum_squares > 0 and math.isfinite(each.norm)]
    judged = now.is_float and now.size >= policy.min_elements and kind_of(now.name) == "model"
    if not judged or len(norms) < policy.norm_history or not (now.norm > 0 and math.isfinite(now.norm)):
        return None
    usual = max(abs(math.log(later / earlier)) for earlier, later in pairwise(norms))
    return _Motion(series, math.log(now.norm / norms[-1]), usual)


def _allowed(motion: _Motion, policy: Policy) -> float:
    return max(math.log(policy.jump_factor), policy.jump_growth * motion.usual)


def _spiked(compared: Sequence[Series], policy: Policy) -> bool:
    """Whether a moment tells of a gradient that was far larger than before."""
    return any(
        each.past[-1].sum_squares > 0 and each.now.norm > SPIKE * each.past[-1].norm
        for each in compared
        if each.past and each.now.is_float and each.now.size >= policy.min_elements
        if kind_of(each.now.name) == "optimizer"
    )


def _in_company(jumped: list[_Motion], motions: list[_Motion]) -> bool:
    trained = [each for each in motions if each.usual > 0]
    unusual = [each for each in trained if abs(each.moved) > UNUSUAL * each.usual]
    factors = [each.moved for each in jumped]
    one_factor = len(factors) > 1 and max(factors) - min(factors) < ALIKE
    return not one_factor and len(unusual) >= max(2, COMPANY * len(trained))


def _finding(motion: _Motion) -> Finding:
    now, last = motion.series.now, motion.series.past[-1]
    usual = f"{math.expm1(motion.usual):.1%}"
    return Finding("norm", now.name, f"norm {now.norm:.3g} after {last.norm:.3g}; it moved by {usual} at most before")
