"""What somebody agreed to with a plan, each as a kind and its value: recorded with it, and part of its hash (DESIGN 11).

Invariant: no consent counts without a reason, and none is kept that the plan does not need.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drstack.errors import ConsentRequired, EnvironmentUnknown
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.plan import Given, Need, WorkloadPlan

SKIP_FENCE = "skip-fence"
BREAK_GLASS = "break-glass"
FAILED_PROOF = ("override", "failed-proof")
"""The consent to take a checkpoint whose proof failed."""


def agrees_to_any_loss(given: Given) -> bool:
    """Whether a loss that nobody can tell is agreed to."""
    return given.data_loss_s is not None and math.isinf(given.data_loss_s)


def to_losses(plans: tuple[WorkloadPlan, ...], needs: Mapping[str, Need], given: Given) -> tuple[tuple[str, str], ...]:
    """The consents to what is lost, as far as the plans need them. ConsentRequired without a reason."""
    used: list[tuple[str, str]] = []
    if given.failed_proof:
        if not given.reason:
            raise ConsentRequired("taking a checkpoint whose proof failed needs a reason", hint="Add: --reason '…'")
        used.append(FAILED_PROOF)
    if given.data_loss_s is not None:
        beyond = [plan for plan in plans if plan.loss_s > needs[plan.name].rpo_s]
        unknown = agrees_to_any_loss(given)
        if beyond or unknown:
            if not given.reason:
                raise ConsentRequired("a loss beyond the objective needs a reason", hint="Add: --reason '…'")
            away = ", ".join(sorted({name for plan in plans for name in plan.unreachable}))
            used.append(
                ("unknown-loss", away or "any") if unknown else ("data-loss", format_duration(given.data_loss_s))
            )
    return tuple(used)


def skipped_fences(fence: tuple[str, ...], given: Given) -> tuple[tuple[str, str], ...]:
    """The consents not to fence. EnvironmentUnknown for a site that would not be fenced, ConsentRequired without a reason."""
    for site in given.skip_fence:
        if site not in fence:
            raise EnvironmentUnknown(
                f"{site} is not fenced by this plan", hint=f"It fences {', '.join(fence) or 'nobody'}."
            )
    if given.skip_fence and not given.reason:
        raise ConsentRequired("leaving out a fence needs a reason", hint="Add: --reason '…'")
    return tuple((SKIP_FENCE, site) for site in sorted(set(given.skip_fence)))


def with_broken_glass(consents: tuple[tuple[str, str], ...], given: Given) -> tuple[tuple[str, str], ...]:
    """The consents, and that somebody goes on without approvals. ConsentRequired without a reason."""
    if given.break_glass is None:
        return consents
    if not given.reason:
        raise ConsentRequired("going on without approvals needs a reason", hint="Add: --reason '…'")
    return (*consents, (BREAK_GLASS, given.break_glass))
