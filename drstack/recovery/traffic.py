"""Which sites answer requests: decided with the assignment, turned at the router, shifted gradually where that can be.

Where the sites that lose their share still answer, it moves in steps, and each step is looked at before the next; where
they are gone, there is nothing to be careful with. Invariant: a shift that makes errors is taken back to the last
weights that made none, and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed, StepFailed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from drstack.recovery.ports import Router, RouterObservation
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment

Doc = dict[str, Any]
Weights = dict[str, int]
ALL = 100
STEPS_PERCENT = (10, 50, 100)
SETTLE_S = 1.0
"""How long a step is looked at before the next."""
CALL_S = 5.0
READY_S = 120.0
_POLL_S = 0.1


def weights_after(serves: Mapping[str, int], gone: Collection[str], target: str) -> Weights:
    """Who serves once `target` took over from the sites that are `gone`: their share is its, the others keep theirs.

    Where nobody had a share, it has all.
    """
    kept = {site: 0 if site in gone and site != target else weight for site, weight in serves.items()}
    kept[target] = kept.get(target, 0) + sum(serves.values()) - sum(kept.values())
    return kept if any(kept.values()) else {**kept, target: ALL}


def plan_shift(now: Mapping[str, int], wanted: Mapping[str, int], answering: Collection[str]) -> tuple[Weights, ...]:
    """The weights to turn, one after another; none where they are as wanted.

    In steps only if every site that loses some still answers and so does every one that gains: else at once.
    """
    if dict(now) == dict(wanted):
        return ()
    sites = sorted({*now, *wanted})
    moved = [site for site in sites if now.get(site, 0) != wanted.get(site, 0)]
    if not any(now.values()) or any(site not in answering for site in moved):
        return (dict(wanted),)
    return tuple(
        {site: now.get(site, 0) + (wanted.get(site, 0) - now.get(site, 0)) * percent // 100 for site in sites}
        if percent < ALL
        else dict(wanted)
        for percent in STEPS_PERCENT
    )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Moves the requests of one assignment. `world.router` None: nothing is served."""

    world: World
    assignment: Assignment

    def wanted(self) -> dict[str, Weights]:
        """Per workload that serves, each site's weight by the assignment."""
        parts = self.assignment.workloads
        return {name: dict(parts[name].serves) for name in self.world.serving if name in parts and parts[name].serves}

    def have_replicas(self, site: str) -> None:
        """Have the replicas run that `site` needs for its share. ActuatorFailed."""
        for workload, weights in self.wanted().items():
            if weights.get(site, 0) > 0:
                self.world.sites[site].serve(workload, deadline_s=READY_S)

    def move_now(self) -> Doc:
        """Turn what can be turned without waiting for anything; what cannot is told under `left`. Never raises."""
        moved: Doc = {}
        left: Doc = {}
        for workload, wanted in self.wanted().items():
            try:
                router = self._router()
                seen = _seen(router)
                ready = [site for site, weight in wanted.items() if weight and _answers(seen, workload, site)]
                others = [site for site, weight in _weights(seen, workload).items() if weight and site not in ready]
                if ready or not any(_answers(seen, workload, site) for site in others):
                    moved[workload] = self._shift(router, workload, wanted)
                else:
                    left[workload] = "no site that is to serve is ready, and another one answers"
            except (ActuatorFailed, StepFailed) as error:
                left[workload] = str(error)
        return {"moved": moved, "left": left}

    def settle(self, only: str | None = None) -> Doc:
        """Have every share as assigned and answered by somebody. StepFailed where it is not within READY_S.

        `only` one workload's, if it is given. StepFailed at once where a later assignment has turned the router already.
        """
        done: Doc = {}
        for workload, wanted in self.wanted().items():
            if only is not None and workload != only:
                continue
            ends = self.world.clock() + READY_S
            while True:
                trouble = self._settled(workload, wanted)
                if trouble is None:
                    break
                if self.world.clock() > ends:
                    raise StepFailed(
                        f"requests for {workload} do not reach the sites that are to serve: {trouble}",
                        hint="Look at the replicas' logs and the router's, then run the same command again.",
                    )
                self.world.sleep(_POLL_S)
            done[workload] = wanted
        return done

    def _settled(self, workload: str, wanted: Weights) -> str | None:
        try:
            router = self._router()
            seen = _seen(router)
            serving = [site for site, weight in wanted.items() if weight]
            if not any(_answers(seen, workload, site) for site in serving):
                return f"no replica at {' or '.join(serving)} is ready"
            self._shift(router, workload, wanted)
        except ActuatorFailed as error:
            return str(error)
        return None

    def _shift(self, router: Router, workload: str, wanted: Weights) -> list[Weights]:
        seen = _seen(router)
        if seen.assignment > self.assignment.number:
            raise StepFailed(
                f"the router was turned for assignment {seen.assignment} already; {self.assignment.number} is older",
                hint="drstack traffic ENV shows what counts now.",
            )
        before = _weights(seen, workload)
        answering = [site for site, answers in seen.healthy.get(workload, {}).items() if answers]
        steps = plan_shift(before, wanted, answering)
        if not steps and seen.assignment < self.assignment.number:
            steps = (wanted,)
        for step in steps:
            self._turn(router, workload, step, instead_of=before)
            trouble = self._look(router, workload, step) if len(steps) > 1 else None
            if trouble is not None:
                self._turn(router, workload, before, instead_of=step)
                raise StepFailed(
                    f"the shift of {workload} to {_words(wanted)} was taken back to {_words(before)}: at "
                    f"{_words(step)} {trouble}",
                    hint="Mend what gains the requests, then run the same command again.",
                )
            before = step
        return list(steps)

    def _turn(self, router: Router, workload: str, weights: Weights, *, instead_of: Weights) -> None:
        """Two operators may shift at once: whoever is behind is refused, and looks again."""
        number = self.assignment.number
        router.set_weights(workload, weights, assignment=number, deadline_s=CALL_S, instead_of=instead_of)

    def _look(self, router: Router, workload: str, step: Weights) -> str | None:
        """What speaks against going on after a step, looked at for a while."""
        errors = _seen(router).errors.get(workload, 0)
        ends = self.world.clock() + SETTLE_S
        while True:
            seen = _seen(router)
            sick = [site for site, weight in step.items() if weight and not _answers(seen, workload, site)]
            if sick:
                return f"{', '.join(sick)} did not answer"
            if (more := seen.errors.get(workload, 0) - errors) > 0:
                return f"{more} requests ended in an error"
            if self.world.clock() >= ends:
                return None
            self.world.sleep(_POLL_S)

    def _router(self) -> Router:
        if self.world.router is None:
            raise ActuatorFailed("no site has said where the router is", hint="drstack up ENV publishes it.")
        return self.world.router


def _seen(router: Router) -> RouterObservation:
    seen = router.observe(deadline_s=CALL_S)
    if not seen.reachable:
        raise ActuatorFailed(f"the router cannot be seen: {seen.why}", hint="drstack up ENV starts it.")
    return seen


def _weights(seen: RouterObservation, workload: str) -> Weights:
    """ActuatorFailed where nobody has declared it to the router yet."""
    if workload not in seen.weights:
        raise ActuatorFailed(f"the router knows no workload {workload}", hint="drstack up ENV declares it.")
    return dict(seen.weights[workload])


def _answers(seen: RouterObservation, workload: str, site: str) -> bool:
    return bool(seen.healthy.get(workload, {}).get(site))


def _words(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{site} {weight} %" for site, weight in sorted(weights.items()))
