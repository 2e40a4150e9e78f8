"""What a drill plays and plans, from what the operator asked for and the real facts: the first half, which touches nothing.

A refusal of the real plan is a finding that the drill is held for, never an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drstack.drills import scene
from drstack.drills.judge import Finding
from drstack.drills.parts import practised
from drstack.errors import DrstackError, NotReady
from drstack.naming import in_place
from drstack.recovery.conduct import decide, look
from drstack.recovery.estimate import estimate, past_durations
from drstack.recovery.plan import Given

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.drills.parts import Component
    from drstack.drills.scene import Scene
    from drstack.recovery.estimate import Estimate
    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Plan
    from drstack.recovery.world import World

_ANY_LOSS_S = 1e9


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asked for. `decide`: called when a surprise is told; says for which site they decided, if asked."""

    by: str
    site: str | None = None
    workloads: tuple[str, ...] = ()
    component: Component | None = None
    surprise_seed: str | None = None
    window_s: float = 0.0
    timeout_s: float = 7200.0
    confined: bool = True
    reason: str | None = None
    decide: Callable[[Scene], str | None] | None = None

    @property
    def kind(self) -> str:
        return "surprise" if self.surprise_seed is not None else self.component or "full"


@dataclass(slots=True)
class Held:
    """What is known of a drill while it is held."""

    scene: Scene
    facts: Facts
    plan: Plan | None
    estimate: Estimate | None
    findings: list[Finding] = field(default_factory=list["Finding"])
    undone: list[str] = field(default_factory=list[str])


def scene_of(request: Request, facts: Facts) -> Scene:
    if request.surprise_seed is not None:
        return scene.surprise(facts, seed=request.surprise_seed, window_s=request.window_s, site=request.site)
    return scene.chosen(facts, site=request.site, workloads=request.workloads)


def _hint(error: DrstackError, world: World, target: str) -> str:
    """What to type, with the real environment's names."""
    said = error.hint or "drstack promote ENV --to SITE --plan shows the same."
    return in_place(said, world.environment, to=target)


def planned(world: World, request: Request, told: Scene) -> Held:
    """The plan of the real promotion, were the site lost now. A refusal is a finding, which the drill is held for."""
    facts = scene.without(look(world), told.lost)
    mine = scene.writers(facts).get(told.lost, ())
    if not set(told.workloads) <= set(mine):
        raise NotReady(f"{told.lost} does not write {', '.join(told.workloads)} any more", hint="Hold the drill again.")
    only = () if set(told.workloads) == set(mine) else told.workloads
    given = Given(by=request.by, only=only, supposed=True)
    held = Held(told, facts, None, None)
    for tried in (given, replace(given, reason="a drill goes on beyond the objective", data_loss_s=_ANY_LOSS_S)):
        try:
            held.plan = decide(world, facts, told.target, tried)
        except DrstackError as error:
            if tried is given or str(error) != held.findings[-1].what:
                held.findings.append(Finding(str(error), _hint(error, world, told.target)))
            continue
        if tried is not given:  # the loss is judged beside its objective
            held.findings.pop()
        held.estimate = estimate(practised(held.plan.steps, request.component), *past_durations(world.witness))
        return held
    return held
