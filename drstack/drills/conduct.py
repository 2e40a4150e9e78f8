"""Holding a drill: look, plan the real promotion as if the site were lost, record, pin, play it apart, judge, clean up.

On the real environment it only reads, but for the record, and the pin of what is copied, which a promoter's key signs.
Invariant: whatever ends the drill, its processes are gone first, then its folder and its pins; what a killed operator
leaves is ended by the leash and removed by the next drill (`remains.py`).
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from drstack.drills import judge, scene
from drstack.drills.build import KEYS
from drstack.drills.ground import Place
from drstack.drills.judge import Finding
from drstack.drills.parts import left_out, practised
from drstack.drills.proof import compared
from drstack.drills.remains import PIN, alone, drills_folder, remove, unpin
from drstack.drills.script import FILE, Played, PointToCopy, Script
from drstack.drills.watch import Watched, watch
from drstack.errors import DrstackError, NotReady, OperationConflict
from drstack.platforms.registry import end_drill, open_ground
from drstack.recovery.conduct import look
from drstack.recovery.estimate import estimate, past_durations
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given, plan_promotion
from drstack.report.drill import markdown
from replicator.errors import ReplicatorError
from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from drstack.drills.ground import Ground
    from drstack.drills.judge import Objective, Result
    from drstack.drills.parts import Component
    from drstack.drills.remains import Removed
    from drstack.drills.scene import Scene
    from drstack.recovery.estimate import Estimate
    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Plan
    from drstack.recovery.world import World
    from drstack.spec import Environment

Doc = dict[str, Any]
_ANY_LOSS_S = 1e9
_HOLD_WAIT_S = 60.0
"""How long to wait for a proof that runs at the site."""
GRACE_S = 120.0
"""Beyond its time limit, for cleaning up: after that nobody waits for its end any more."""


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
class _Held:
    """What is known of a drill while it is held."""

    scene: Scene
    facts: Facts
    plan: Plan | None
    estimate: Estimate | None
    findings: list[Finding] = field(default_factory=list["Finding"])
    undone: list[str] = field(default_factory=list[str])


def hold(declared: Environment, root: Path, request: Request, world: World, open_at: Callable[[str], World]) -> Doc:
    """Hold a drill. Returns its report's document, with `report` as Markdown; it stands on the witness then.

    `world` is the real one; `open_at` opens it with the keys of a site, for reading what that may read. NotReady,
    OperationConflict, ActuatorFailed, EnvironmentUnknown where no drill could begin: nothing is recorded then.
    """
    with alone(root, declared.environment):
        remove(world, root, world.clock())
        _require_quiet(world)
        told = _scene(request, look(world))
        ground = open_ground(world.witness.descriptor(told.target) or _nowhere(told.target))
        world = open_at(told.target)
        decided = _await_moment(world, request, told)
        with ground.held(wait_s=_HOLD_WAIT_S):
            _require_quiet(world)
            held = _planned(world, request, told)
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


def _scene(request: Request, facts: Facts) -> Scene:
    if request.surprise_seed is not None:
        return scene.surprise(facts, seed=request.surprise_seed, window_s=request.window_s, site=request.site)
    return scene.chosen(facts, site=request.site, workloads=request.workloads)


def _await_moment(world: World, request: Request, told: Scene) -> Doc:
    """Wait until the loss is told. What the operator then decided, and after how long."""
    world.sleep(told.after_s)
    if request.decide is None:
        return {}
    asked_at = time.monotonic()
    decided = request.decide(told)
    return {} if decided is None else {"decided": decided, "decided_s": round(time.monotonic() - asked_at, 3)}


def _planned(world: World, request: Request, told: Scene) -> _Held:
    """The plan of the real promotion, were the site lost now. A refusal is a finding, which the drill is held for."""
    facts = scene.without(look(world), told.lost)
    mine = scene.writers(facts).get(told.lost, ())
    if not set(told.workloads) <= set(mine):
        raise NotReady(f"{told.lost} does not write {', '.join(told.workloads)} any more", hint="Hold the drill again.")
    only = () if set(told.workloads) == set(mine) else told.workloads
    given = Given(by=request.by, only=only)
    held = _Held(told, facts, None, None)
    for tried in (given, replace(given, reason="a drill goes on beyond the objective", data_loss_s=_ANY_LOSS_S)):
        try:
            held.plan = plan_promotion(world.environment, facts, told.target, world.needs, tried)
        except DrstackError as error:
            if tried is given or str(error) != held.findings[-1].what:
                held.findings.append(Finding(str(error), error.hint or "drstack promote ENV --plan shows the same."))
            continue
        if tried is not given:  # the loss is judged beside its objective
            held.findings.pop()
        held.estimate = estimate(practised(held.plan.steps, request.component), *past_durations(world.witness))
        return held
    return held


def _begun(declared: Environment, request: Request, held: _Held, decided: Doc, now: float) -> Doc:
    token = os.urandom(2).hex()
    return {
        "id": f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{token}", "environment": declared.environment,
        "kind": request.kind, "component": request.component, "lost": held.scene.lost, "site": held.scene.target,
        "workloads": list(held.scene.workloads), "seed": held.scene.seed, "window_s": request.window_s,
        "after_s": held.scene.after_s, "by": request.by, "reason": request.reason, "host": socket.gethostname(),
        "began_at": now, "ends_by": now + request.timeout_s + GRACE_S, "decided": None, "decided_s": None, **decided,
    }  # fmt: skip


def _finish(
    declared: Environment, root: Path, request: Request, world: World, ground: Ground, held: _Held, begun: Doc
) -> Doc:
    """Play, clean up, and record the end, whatever happens."""
    watched, objectives = Watched(None, why="Its operator left it."), list[judge.Objective]()
    try:
        if held.plan is None:
            watched = Watched(None, why="The plan of the real promotion is refused.")
        else:
            with _staged(declared, root, request, world, ground, held, begun) as script:
                watched = watch(
                    script.folder, ground, world.witness, world.progress, scratch=script.folder / "tmp",
                    timeout_s=request.timeout_s,
                )  # fmt: skip
            if watched.late:
                held.findings.append(Finding(watched.why, "See which step it hung in; --timeout gives it longer."))
            objectives = _objectives(world, held, watched.played)
    except (DrstackError, ReplicatorError, OSError) as error:
        held.findings.append(Finding(str(error), getattr(error, "hint", None) or "Hold the drill again."))
        watched = Watched(None, why=str(error))
    finally:
        document = _document(world, request, held, begun, watched, objectives)
        report = markdown(document)
        world.witness.drills().end(
            str(begun["id"]),
            {"result": document["result"], "why": document["why"], "ended_at": document["ended_at"],
             "measured": document, "report": report},
        )  # fmt: skip
    return {**document, "report": report}


@contextmanager
def _staged(
    declared: Environment, root: Path, request: Request, world: World, ground: Ground, held: _Held, begun: Doc
) -> Generator[Script]:
    """Pins, the folder, its leash and its script; all of it gone afterwards."""
    plan, identity = held.plan, str(begun["id"])
    assert plan is not None  # noqa: S101 - asked for only where there is one
    name = f"{declared.environment}--drill-{identity}"
    folder = drills_folder(root) / name
    keys = folder / KEYS if declared.replication.encrypted else None
    place = Place(name, folder, keys, _real_places(declared, root, world))
    leash = -1
    try:
        points = [_pinned(world, identity, each.name, each.source, CommitId(*each.commit)) for each in plan.workloads]
        place.scratch.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)
        os.mkfifo(place.leash, 0o600)
        leash = os.open(place.leash, os.O_RDWR)
        script = Script(
            environment=declared.environment, name=name, folder=folder, root=root, lost=held.scene.lost,
            target=held.scene.target, points=tuple(points), component=request.component, by=request.by,
            operator_pid=os.getpid(), real=place.real, writable=ground.writable(), confined=request.confined,
        )  # fmt: skip
        (folder / FILE).write_text(script.model_dump_json())
        yield script
    finally:
        if leash >= 0:
            os.close(leash)
        held.undone += [f"{each} in {folder}" for each in end_drill(folder)]
        unpin(world, f"{PIN}{identity}-", held.undone)


def _pinned(world: World, identity: str, workload: str, source: str, commit: CommitId) -> PointToCopy:
    log = world.repositories[source].log(workload)
    log.pin(f"{PIN}{identity}-{commit}", commit, reason=f"drill {identity} copies it", term=log.view().term)
    return PointToCopy(workload=workload, repository=source, commit=(commit.term, commit.height))


def _real_places(declared: Environment, root: Path, world: World) -> tuple[str, ...]:
    """What no job of a drill may name: the sites' folders, the witness, and the operator's keys."""
    descriptors = [world.witness.descriptor(name) or {} for name in declared.sites]
    folders = [str(each["folder"]) for each in descriptors if each.get("folder")]
    stores = [world.witness.url.removeprefix("file://")]
    keys = [str(world.keys.folder)] if world.keys is not None else []
    return tuple(sorted({*folders, *stores, *keys, str(root / "keys")}))


def _objectives(world: World, held: _Held, played: Played | None) -> list[Objective]:
    if held.plan is None or played is None:
        return []
    found: list[Objective] = []
    for each in held.plan.workloads:
        logged = played.logged.get(each.name)
        losses = "no losses are logged"
        if logged is not None:
            proof = compared(world.repositories[each.source], each.name, CommitId(*each.commit), logged)
            losses = proof if isinstance(proof, str) else proof.reason
            if not isinstance(proof, str) and proof.verdict == "differs":
                remedy = f"Try it twice: drstack prove {world.environment} --point {CommitId(*each.commit)}"
                held.findings.append(Finding(f"{each.name}: other losses than the real run's: {proof.reason}", remedy))
        elif each.name not in played.rto_s:
            losses = "not practised"
        found.append(
            judge.objective(
                each.name, world.needs[each.name], step=each.step, rpo_s=max(0.0, held.facts.at - each.saved_at),
                rto_s=played.rto_s.get(each.name), losses=losses,
            )
        )  # fmt: skip
    return found


def _document(
    world: World, request: Request, held: _Held, begun: Doc, watched: Watched, objectives: Sequence[Objective]
) -> Doc:
    played, guess = watched.played, held.estimate
    steps = judge.judge_steps(played.steps, guess) if played is not None and guess is not None else []
    findings = [*held.findings, *judge.findings_of(objectives, played, steps)]
    stopped: Result | None = "gave way" if watched.gave_way else "killed" if played is None and not findings else None
    why = watched.gave_way or ("" if played is not None else watched.why)
    if stopped == "gave way":
        why = f"It gave way to the real environment: {watched.gave_way}."
        findings = []
    plan = held.plan.document() if held.plan is not None else None
    every = held.plan.steps if held.plan is not None else ()
    return judge.document(
        begun, result=judge.result_of(objectives, findings, stopped=stopped), why=why, ended_at=world.clock(),
        objectives=objectives, steps=steps, findings=findings, played=played,
        left_out=left_out(every, practised(every, request.component)), plan=plan, estimate=guess, undone=held.undone,
    )  # fmt: skip
