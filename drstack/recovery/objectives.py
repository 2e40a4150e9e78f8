"""Whether objectives were met, where what was lost is known only as a bound. Pure.

Where nobody said when the writer failed, the loss is counted up to the look at the facts: it was at most that. The time until
the work was back is then counted from the begin of the operation: it was at least that. Invariant: nothing is called missed
that may have been met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["met", "missed", "unknown"]
"""`unknown`: not known to be met, because the loss is only bounded and the bound is beyond the objective."""
MET: Mapping[str, bool] = {"met": True, "missed": False}
"""A verdict as yes or no; what is not known is neither."""


def lost(rpo_s: float, objective_s: float, *, is_bound: bool) -> Verdict:
    """Of the recovery point alone; seconds. `is_bound`: it was that much at most."""
    if rpo_s <= objective_s:
        return "met"
    return "unknown" if is_bound else "missed"


def judged(
    rpo_s: float | None, rpo_objective_s: float, rto_s: float | None, rto_objective_s: float, *, is_bound: bool
) -> Verdict | None:
    """Of both objectives; None where one was not measured. A time that was at least too long was too long."""
    if rpo_s is None or rto_s is None:
        return None
    return "missed" if rto_s > rto_objective_s else lost(rpo_s, rpo_objective_s, is_bound=is_bound)
