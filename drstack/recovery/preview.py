"""What an operator is shown before anything is touched: the plan, also while a consent lacks without which it is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from drstack.errors import ConsentRequired, DrstackError, OperationConflict, PromotionRefused
from drstack.recovery.alive import seen_to_run
from drstack.recovery.conduct import decide, look, require_site
from drstack.recovery.operation import gives_way, join, told, unfinished

if TYPE_CHECKING:
    from drstack.recovery.conduct import Kind
    from drstack.recovery.plan import Given, Plan
    from drstack.recovery.world import World


def preview(world: World, target: str, given: Given, *, kind: Kind = "promote") -> tuple[Plan, DrstackError | None]:
    """The plan that would be carried out now, and what it is refused for until that is consented to. Touches nothing.

    A plan that lacks a consent names those that were given alone. OperationConflict where the same operation has begun and
    not ended; else as `plan_only` raises.
    """
    _require_none_to_take_up(world, target, kind)
    require_site(world, target)
    facts = look(world)
    try:
        return decide(world, facts, target, given, kind=kind), None
    except (ConsentRequired, PromotionRefused) as lacking:
        anything = replace(given, reason=given.reason or "not given", data_loss_s=math.inf)
        try:
            plan = decide(world, facts, target, anything, kind=kind)
        except DrstackError:
            raise lacking from None
        return _only_given(plan, given), lacking


def question(world: World, target: str, given: Given) -> str:
    """What an operator is asked before a promotion: first what is seen to run where it is taken from. Touches nothing.

    Raises as `look`. Of an operation that is under way, which is taken up, nothing is said.
    """
    asked = f"Make {target} the writer of {world.environment}?"
    if target not in world.sites or unfinished(world.witness) is not None:
        return asked
    return "\n".join((*seen_to_run(world.environment, look(world), target, given), asked))


def _only_given(plan: Plan, given: Given) -> Plan:
    lost = () if given.data_loss_s is not None else ("data-loss", "unknown-loss")
    consents = tuple(each for each in plan.consents if each[0] not in lost) if given.reason else ()
    return replace(plan, consents=consents, reason=given.reason or "")


def _require_none_to_take_up(world: World, target: str, kind: Kind) -> None:
    running = unfinished(world.witness)
    if running is None or gives_way(running, target, kind):
        return
    joined = join(running, target, kind)
    raise OperationConflict(
        f"{told(joined)} has not ended: the same command without --plan takes up what is left of it",
        hint=f"drstack resume {world.environment}; drstack status {world.environment} shows its steps.",
    )
