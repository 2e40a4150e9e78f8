"""The rules about one tensor. Each is a function of its series and the policy, and says one thing or nothing.

Invariant: a rule needs more than its own number to speak: what was always infinite, zero or constant stays unsaid.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from replicator.admission.findings import Finding
from replicator.admission.kinds import kind_of

if TYPE_CHECKING:
    from replicator.admission.policy import Policy
    from replicator.admission.series import Series
    from replicator.admission.summary import TensorSummary


def not_a_number(series: Series, _policy: Policy) -> Finding | None:
    now = series.now
    if not now.is_float or not now.nan_count:
        return None
    return Finding("nan", now.name, f"{now.nan_count} of {now.size} values are NaN")


def reshaped(series: Series, _policy: Policy) -> Finding | None:
    """Floats must keep dtype and shape; others (cursors, buffers of a loader) only if they never changed before."""
    now = series.now
    if not series.past or now.dtype == "bytes":
        return None
    before = series.past[-1]
    if not now.is_float and not (before.is_float or _kept_its_form(series.past)):
        return None
    if now.dtype == before.dtype and _same_shape(now, before):
        return None
    return Finding("shape", now.name, f"{now.dtype}{now.shape} was {before.dtype}{before.shape}")


def _kept_its_form(past: tuple[TensorSummary, ...]) -> bool:
    settled = 3
    return len(past) >= settled and all((s.dtype, s.shape) == (past[0].dtype, past[0].shape) for s in past)


def _same_shape(one: TensorSummary, other: TensorSummary) -> bool:
    """Shards whose global shape is unknown were combined into a flat one: only the sizes can be compared."""
    flat = (one.shape == (one.size,)) or (other.shape == (other.size,))
    return one.shape == other.shape or (flat and one.size == other.size)


def zeroed(series: Series, policy: Policy) -> Finding | None:
    """All zero now and not before. A buffer that is reset now and then shows it by having been zero in between."""
    now, past = series.now, series.past
    if not now.is_float or not now.is_zero or now.size < policy.min_elements or not past or past[-1].is_zero:
        return None
    since_nonzero = _from_first_nonzero(past)
    if any(summary.is_zero for summary in since_nonzero) or (past[0].is_zero and len(since_nonzero) == 1):
        return None
    norms = [summary.norm for summary in since_nonzero]
    if kind_of(now.name) == "optimizer" and norms[-1] < policy.decayed * max(norms):
        return None
    return Finding("zeroed", now.name, f"all {now.size} values are zero; the norm was {norms[-1]:.3g}")


def _from_first_nonzero(past: tuple[TensorSummary, ...]) -> tuple[TensorSummary, ...]:
    first = next(i for i, summary in enumerate(past) if not summary.is_zero)
    return past[first:]


def out_of_range(series: Series, policy: Policy) -> Finding | None:
    now = series.now
    past = [summary for summary in series.past if summary.sum_squares > 0 and not summary.nan_count]
    if not now.is_float or now.size < policy.min_elements or not series.past:
        return None
    if now.inf_count and not any(summary.inf_count for summary in series.past):
        return Finding("norm", now.name, f"{now.inf_count} of {now.size} values are infinite, none was before")
    if len(past) < policy.norm_history:
        return None
    norms = [summary.norm for summary in past]
    least, greatest = min(norms), max(norms)
    moment = kind_of(now.name) == "optimizer"
    rise = max(later / earlier for earlier, later in pairwise(norms))
    factor = max(policy.moment_factor if moment else policy.norm_factor, policy.growth_factor * rise)
    if now.norm > greatest * factor:
        return Finding("norm", now.name, f"norm {now.norm:.3g}, at most {greatest:.3g} in {len(past)} checkpoints")
    steady = greatest < least * policy.steady_spread
    if steady and not moment and 0 < now.norm < least / policy.norm_factor:
        return Finding("norm", now.name, f"norm {now.norm:.3g}, at least {least:.3g} in {len(past)} checkpoints")
    return None


def drifting(series: Series, policy: Policy) -> Finding | None:
    """A weight that had been steady grows from checkpoint to checkpoint, as one that diverges does."""
    now = series.now
    norms = [summary.norm for summary in (*series.past, now) if summary.sum_squares > 0]
    if not now.is_float or now.size < policy.min_elements or kind_of(now.name) != "model":
        return None
    steady, rising = norms[: -_RISES - 1], norms[-_RISES - 1 :]
    if len(steady) < _STEADY or max((*steady, rising[0])) > min((*steady, rising[0])) * policy.drift_spread:
        return None
    if any(later < earlier * policy.drift_factor for earlier, later in pairwise(rising)):
        return None
    grown = " → ".join(f"{norm:.3g}" for norm in rising)
    return Finding("drift", now.name, f"norm {grown}, after it was steady for {len(steady) + 1} checkpoints")


_RISES = 3
_STEADY = 2

TENSOR_RULES = (not_a_number, reshaped, zeroed, out_of_range, drifting)
