"""Holding a drill: look, plan the real promotion as if the site were lost, record, pin, play it apart, judge, clean up.

On the real environment it only reads, but for the record, and the pin of what is copied, which a promoter's key signs.
Invariant: whatever ends the drill, its processes are gone first, then its folder and its pins; what a killed operator
leaves is ended by the leash and removed by the next drill (`remains.py`).
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from drstack.drills.account import account, measured
from drstack.drills.judge import Finding
from drstack.drills.planning import planned, scene_of
from drstack.drills.remains import alone, remove
from drstack.drills.staging import staged
from drstack.drills.watch import Watched, give_way, watch
from drstack.errors import DrstackError, NotReady, OperationConflict
from drstack.platforms.registry import open_ground
from drstack.recovery.conduct import look
from drstack.recovery.operation import unfinished
from drstack.report.drill import markdown
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from drstack.drills.ground import Ground
    from drstack.drills.judge import Objective
    from drstack.drills.planning import Held, Request
    from drstack.drills.remains import Removed
    from drstack.drills.scene import Scene
    from drstack.recovery.world import World
    from drstack.spec import Environment

Doc = dict[str, Any]
_HOLD_WAIT_S = 60.0
"""How long to wait for a proof that runs at the site."""
GRACE_S = 120.0
"""Beyond its time limit, for cleaning up: after that nobody waits for its end any more."""


def hold(declared: Environment, root: Path, request: Request, world: World, open_at: Callable[[str], World]) -> Doc:
    """Hold a drill. Returns its report's document, with `report` as Markdown; it stands on the witness then.

    `world` is the real one; `open_at` opens it with the keys of a site, for reading what that may read. NotReady,
    OperationConflict, ActuatorFailed, EnvironmentUnknown where no drill could begin: nothing is recorded then.
    """
    with alone(root, declared.environment):
        remove(world, root, world.clock())
        _require_quiet(world)
        told = scene_of(request, look(world))
        ground = open_ground(world.witness.descriptor(told.target) or _nowhere(told.target))
        world = open_at(told.target)
        decided = _await_moment(world, request, told)
        with ground.held(wait_s=_HOLD_WAIT_S):
            _require_quiet(world)
            held = planned(world, request, told)
            begun = _begun(declared, request, held, decided, world.clock())
            world.witness.drills().begin(begun)
            return _finish(declared, root, request, world, ground, held, begun)


def clean_up(world: World, root: Path) -> Removed:
    """Remove what drills left behind. OperationConflict while one runs."""
    with alone(root, world.environment):
        return remove(world, root, world.clock())


def _require_quiet(world: World) -> None:
    running = unfinished(world.witness)
    if running is not None:
        raise OperationConflict(
            f"operation {running.identity} has not ended: no drill is held meanwhile",
            hint=f"drstack resume {world.environment}, or drstack abort {world.environment} --reason '…', ends it.",
        )
    if world.keys is not None:
        world.keys.signer(("promoter",), "the pin of what a drill copies")


def _nowhere(site: str) -> Mapping[str, Any]:
    raise NotReady(f"{site} has published no descriptor", hint=f"drstack up ENV --site {site} makes it.")


def _await_moment(world: World, request: Request, told: Scene) -> Doc:
    """Wait until the loss is told. What the operator then decided, and after how long."""
    world.sleep(told.after_s)
    if request.decide is None:
        return {}
    asked_at = time.monotonic()
    decided = request.decide(told)
    return {} if decided is None else {"decided": decided, "decided_s": round(time.monotonic() - asked_at, 3)}


def _begun(declared: Environment, request: Request, held: Held, decided: Doc, now: float) -> Doc:
    token = os.urandom(2).hex()
    return {
        "id": f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{token}", "environment": declared.environment,
        "kind": request.kind, "component": request.component, "lost": held.scene.lost, "site": held.scene.target,
        "workloads": list(held.scene.workloads), "seed": held.scene.seed, "window_s": request.window_s,
        "after_s": held.scene.after_s, "by": request.by, "reason": request.reason, "host": socket.gethostname(),
        "began_at": now, "ends_by": now + request.timeout_s + GRACE_S, "decided": None, "decided_s": None, **decided,
    }  # fmt: skip


def _finish(
    declared: Environment, root: Path, request: Request, world: World, ground: Ground, held: Held, begun: Doc
) -> Doc:
    """Play, clean up, and record the end, whatever happens."""
    watched = Watched(None, why="Its operator left it.")
    objectives: list[Objective] = []
    try:
        if held.plan is None:
            watched = Watched(None, why="The plan of the real promotion is refused.")
        else:
            with staged(declared, root, request, world, ground, held, begun) as script:
                watched = watch(
                    script.folder, ground, world.witness, world.progress, scratch=script.folder / "tmp",
                    timeout_s=request.timeout_s,
                )  # fmt: skip
            if watched.late:
                held.findings.append(Finding(watched.why, "See which step it hung in; --timeout gives it longer."))
            objectives = measured(world, held, watched.played)
    except (DrstackError, ReplicatorError, OSError) as error:
        if (wanted := give_way(ground, world.witness)()) is not None:  # it is why, most likely
            watched = Watched(None, gave_way=wanted)
        else:
            held.findings.append(Finding(str(error), getattr(error, "hint", None) or "Hold the drill again."))
            watched = Watched(None, why=str(error))
    finally:
        document = account(world, request, held, begun, watched, objectives)
        report = markdown(document)
        world.witness.drills().end(
            str(begun["id"]),
            {"result": document["result"], "why": document["why"], "ended_at": document["ended_at"],
             "measured": document, "report": report},
        )  # fmt: skip
    return {**document, "report": report}
