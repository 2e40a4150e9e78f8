"""What can still be seen while the witness is away: sites, repositories, and what a promotion without it would do.

Touches nothing. Who writes is as the repositories' logs say, and as this machine saw last: an assignment that neither knows
is not known here. Invariant: nothing that is told of the sites depends on the witness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.assembly import assemble, load, local_root, operator, project_root
from drstack.errors import DrstackError
from drstack.naming import in_place
from drstack.readiness.looking import Silent
from drstack.recovery.conduct import decide, look
from drstack.recovery.operation import told, unfinished
from drstack.recovery.plan import Given
from drstack.recovery.status import status
from drstack.unwitnessed import Unwitnessed, stand_ins
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Plan
    from drstack.recovery.world import World

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """A promotion to `target` without the witness: its plan, or why there is none and what to do about that."""

    target: str
    plan: Plan | None
    refused: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """`running`: operations that went on without the witness and have not ended, in words."""

    world: World
    facts: Facts
    moves: tuple[Move, ...]
    running: tuple[str, ...]

    def document(self) -> Doc:
        """As `drstack status --json` has it; docs/cli.md names the fields."""
        told = status(self.world.environment, self.facts, self.world.needs, None)
        return {
            **{name: value for name, value in told.items() if name != "operation"},
            "without_witness": {
                "operations": list(self.running),
                "promotions": {each.target: self._move(each) for each in self.moves},
            },
        }

    def _move(self, move: Move) -> Doc:
        plan = move.plan
        return {
            "possible": plan is not None, "why": move.refused or None, "next": move.hint or self.command(move.target),
            "fences": [] if plan is None else list(plan.fence), "runs": [] if plan is None else list(plan.runs),
            "workloads": [] if plan is None else [
                {"name": w.name, "step": w.step, "source": w.source, "loss_s": w.loss_s} for w in plan.workloads
            ],
        }  # fmt: skip

    def command(self, target: str) -> str:
        """What shows all of it, and touches nothing."""
        return f"drstack promote {self.world.environment} --to {target} --without-witness --reason '…' --plan --as tree"


def look_without(environment: str) -> Away | None:
    """None where no repository says enough to go by. Raises as `load`."""
    declared, root = load(environment), local_root(project_root())
    for site in declared.sites:
        try:
            return seen(
                assemble(declared, root, site, progress=Silent(), without=Unwitnessed(touch=False, found_away=True))
            )
        except (DrstackError, ReplicatorError):
            continue  # what another site's repository says may do
    return None


def seen(world: World) -> Away:
    """By a world whose witness is a stand-in in memory. Raises as `look`."""
    facts = look(world)
    writers = {each.writer for each in facts.workloads.values()}
    moves = tuple(_move(world, facts, each) for each in world.sites if writers != {each})
    return Away(world, facts, moves, _gone_on(world))


def _move(world: World, facts: Facts, target: str) -> Move:
    given = Given(by=operator(), reason="not given", without_witness=True)
    try:
        return Move(target, decide(world, facts, target, given))
    except DrstackError as error:
        return Move(target, None, str(error), in_place(error.hint or "", world.environment, to=target))


def _gone_on(world: World) -> tuple[str, ...]:
    opened = stand_ins(world.repositories, world.environment)
    found: list[str] = []
    for site in world.repositories:
        stand_in = opened(site)
        try:
            running = unfinished(stand_in) if stand_in is not None and stand_in.current() is not None else None
        except DrstackError:
            continue  # a repository that is away is told as such
        if running is not None:
            found.append(told(running))
    return tuple(found)
