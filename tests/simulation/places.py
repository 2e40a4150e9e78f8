"""Sites and stores on which whole operations are simulated: the real log, witness and repositories, and places that remember.

Every act of an operator gives way, so that others come in between, and may end without its answer, or not be done at all.
Sites train, save and ship by themselves, each of these at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed
from drstack.platforms.local.desired import Desired
from drstack.recovery.acting import Checked, OwnStep, Said
from drstack.recovery.admission import bring_up_to
from drstack.recovery.plan import Need
from drstack.recovery.ports import Fence, JobObservation, SiteObservation
from drstack.recovery.world import World
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.errors import KeyMissing, ReplicatorError, StoreUnavailable
from replicator.repository.format import initialise
from replicator.repository.repository import Repository
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from tests.drstack.recovery.world import Quiet
from tests.simulation.schedule import Operation
from tests.simulation.store import SimStore, Still

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from replicator.log.replay import Accepted
    from tests.simulation.schedule import Actor

WITNESS = "witness"
ENVIRONMENT = "e"
WORKLOADS = ("a", "b")
DEMANDED = ("stored", "decoded")
ACT_FAULTS = ("lost", "unsent")
BULK = ("packs/", "manifests/", "keys/")
BEGAN = 1_000_000.0
LOOK_S = 20.0
"""What a look, and any wait, takes at least."""


class Store(SimStore):
    """Nothing is deleted here, and what a restore reads with several threads gives way to nobody."""

    def get(self, key: str) -> bytes:
        if not key.startswith(BULK):
            return super().get(key)
        if not self._reachable():
            raise StoreUnavailable(f"{self._name} is away")
        if key not in self._objects:
            raise KeyMissing(key)
        return self._objects[key]

    def _settled(self, key: str) -> bool:
        return self._reachable() and key in self._objects


@dataclass
class Run:
    """A workload at a place. `height` counts what it committed in its term; `saved`: the step of its last checkpoint."""

    token: str
    resumed: int | None
    term: int
    step: int
    running: bool = True
    height: int = 0
    saved: int = 0
    commits: bool = True
    """Until it meets a seal."""
    began: float = 0.0
    stepped: float = 0.0
    """When it was started, and made its last step."""


@dataclass
class Place:
    name: str
    alive: bool = True
    fenced: bool = False
    bar: Desired = field(default_factory=lambda: Desired(0))
    """What of it refuses whoever comes too late is a local site's own."""
    capacity: int = 1
    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    to_ship: list[tuple[Push, Any, str]] = field(default_factory=list[tuple[Push, Any, str]])
    to_verify: list[tuple[str, str, Accepted]] = field(default_factory=list[tuple[str, str, "Accepted"]])


@dataclass(frozen=True, slots=True)
class Start:
    """What was started where, by whom, and who wrote it then. `last`: the newest step that any other place had made."""

    site: str
    workload: str
    token: str
    resumed: int | None
    by: str
    writer: str
    number: int
    elsewhere: tuple[str, ...]
    """Places that ran it then and were within reach of who started it."""


class Ground:
    """The world. The first site writes every workload in term 1."""

    def __init__(
        self, folder: Path, sites: tuple[str, ...], acknowledge: tuple[str, ...], chance: random.Random
    ) -> None:
        self.folder, self.sites, self.acknowledge, self.chance = folder, sites, acknowledge, chance
        self.objects: dict[str, dict[str, bytes]] = {name: {} for name in (*sites, WITNESS)}
        self.places = {name: Place(name) for name in sites}
        self.now = BEGAN
        self.skew: dict[str, float] = {}
        self.cut: set[tuple[str, str]] = set()
        """(actor, site or witness) pairs that do not see each other."""
        self.away_until: dict[str, int] = {}
        """Sites that no operator sees until there are so many assignments."""
        self.healed = False
        self.late_receipts = False
        """Whether what is shipped arrives by itself, later; else with the save."""
        self.own: tuple[OwnStep, ...] = ()
        self.bought: dict[str, int] = {}
        self.starts: list[Start] = []
        self.contents: dict[tuple[str, int, int], bytes] = {}
        """What was saved, by workload, term and height; of a name given twice, what its writer gave it first."""
        self.acked: list[tuple[str, int, int, bytes]] = []
        self.made: dict[tuple[str, int], int] = {}
        """By workload and term: the last step that was made while its writer could still save it."""
        self.acts = 0
        self.given_back: list[dict[str, str]] = []
        """By workload, who may write again as an abort said when it ended, and nothing was under way."""
        self.stopped: set[str] = set()
        self._found()

    def _found(self) -> None:
        witness = self.witness(None)
        witness.found()
        for name in self.sites:
            initialise(
                self.store(None, name), environment=ENVIRONMENT, witness="memory://", clock=lambda: self.now,
                token=lambda: f"format-{name}", suite="none",
            )  # fmt: skip
        parts = {
            name: WorkloadAssignment(writer=self.sites[0], term=1, acknowledge=self.acknowledge) for name in WORKLOADS
        }
        first = witness.assign(Assignment(number=1, workloads=parts, cause="create"))
        for site in self.sites:
            for name in WORKLOADS:
                bring_up_to(first, name, self.repository(None, site))
        self.places[self.sites[0]].runs = {name: Run("begin", None, 1, 0) for name in WORKLOADS}
        for name in WORKLOADS:
            self.train(self.places[self.sites[0]], name, save=True)
        self.settle_shipping()

    # What operators see

    def store(self, actor: Actor | None, name: str) -> Store | Still:
        if actor is None:
            return Still(name, self.objects[name])
        return Store(name, self.objects[name], actor, lambda: self.reaches(actor.name, name))

    def witness(self, actor: Actor | None) -> Witness:
        clock, token = self._clock(actor), self._token(actor)
        return Witness(self.store(actor, WITNESS), ENVIRONMENT, clock=clock, token=token, at_once=1)

    def repository(self, actor: Actor | None, name: str) -> Repository:
        return Repository(name, self.store(actor, name), clock=self._clock(actor), token=self._token(actor), at_once=1)

    def reaches(self, actor: str, name: str) -> bool:
        if self.healed:
            return True
        assigned = sum(1 for key in self.objects[WITNESS] if key.startswith(f"{ENVIRONMENT}/assignments/"))
        return (actor, name) not in self.cut and self.away_until.get(name, 0) <= assigned

    def world(self, actor: Actor | None, target: str | None = None) -> World:
        """What a command of this operator works on. None: somebody whom nobody interrupts."""
        who = actor.name if actor else "healer"
        near = tuple(name for name in self.acknowledge if name != target)
        needs = {name: Need(rpo_s=1e9, rto_s=1e9, demanded=DEMANDED, ranks=1, acknowledge=near) for name in WORKLOADS}
        return World(
            environment=ENVIRONMENT, sites={name: SimSite(self, name, actor) for name in self.sites},
            witness=self.witness(actor), repositories={name: self.repository(actor, name) for name in self.sites},
            needs=needs, clock=self._clock(actor), sleep=self._sleep(actor), progress=Quiet(), by=who, own=self.own,
            actions=Purchases(self, actor), standby=lambda _: 1, one_by_one=True,
        )  # fmt: skip

    def _clock(self, actor: Actor | None):
        return lambda: self.now + (self.skew.get(actor.name, 0.0) if actor else 0.0)

    def _token(self, actor: Actor | None):
        return actor.token if actor else lambda: "nobody"

    def _sleep(self, actor: Actor | None):
        def sleep(seconds: float) -> None:
            self.now += max(seconds, LOOK_S)
            if actor is not None:
                actor.step(Operation("waits"))
            else:
                self.settle_shipping()

        return sleep

    # What sites do by themselves

    def train(self, place: Place, workload: str, *, save: bool) -> None:
        """Ten steps further, and perhaps a checkpoint of the last."""
        run = place.runs[workload]
        run.step += 10
        self.now += 1.0
        run.stepped = self.now
        if run.commits and self._may_write(place, workload, run):
            self.made[workload, run.term] = max(run.step, self.made.get((workload, run.term), 0))
        if save:
            self.save(place, workload)

    def _may_write(self, place: Place, workload: str, run: Run) -> bool:
        view = self.repository(None, place.name).log(workload).view()
        return view.writable and view.term == run.term

    def save(self, place: Place, workload: str) -> None:
        """A checkpoint in the place's own repository, and on its way to the others; none from above a seal."""
        run = place.runs[workload]
        if not run.commits or run.saved == run.step:
            return
        source = self.folder / place.name / f"{workload}-{run.term}-{run.step}"
        source.mkdir(parents=True, exist_ok=True)
        content = f"{workload} of {place.name} in term {run.term} at {run.step}".encode().ljust(64)
        (source / "weights").write_bytes(content)
        height = run.height + 1
        push = Push(
            workload, f"step-{run.step:08d}", run.term, height, run.step, f"{place.name}-{workload}-{run.term}-{height}",
            b"s" * 16, self.now,
        )  # fmt: skip
        snapshot = take_snapshot(source, ["weights"])
        try:
            accepted = ship(push, snapshot, self.repository(None, place.name))
        except ReplicatorError:
            run.commits = False
            return
        run.height, run.saved = height, run.step
        self.contents.setdefault((workload, run.term, height), content)
        place.to_verify.append((place.name, workload, accepted))
        place.to_ship += [(push, snapshot, name) for name in self.sites if name != place.name]
        if not self.late_receipts:
            self.ship_all(place)

    def ship_one(self, place: Place) -> None:
        """One thing that its replicator has to do."""
        if place.to_verify:
            site, workload, accepted = place.to_verify.pop(0)
            verify(self.repository(None, site), workload, accepted, site)
            return
        push, snapshot, site = place.to_ship.pop(0)
        try:
            accepted = ship(push, snapshot, self.repository(None, site))
        except ReplicatorError:
            return
        place.to_verify.append((site, push.workload, accepted))
        if site in self.acknowledge:
            key = (push.workload, push.term, push.height)
            self.acked.append((*key, self.contents[key]))

    def ship_all(self, place: Place) -> None:
        while place.alive and not place.fenced and (place.to_ship or place.to_verify):
            self.ship_one(place)

    def settle_shipping(self) -> None:
        for place in self.places.values():
            self.ship_all(place)

    def assigned(self) -> Assignment:
        current = self.witness(None).current()
        assert current is not None
        return current


@dataclass
class SimSite:
    """A site as one operator reaches it."""

    ground: Ground
    name: str
    actor: Actor | None

    @property
    def _place(self) -> Place:
        return self.ground.places[self.name]

    def _seen(self) -> bool:
        return self._place.alive and (self.actor is None or self.ground.reaches(self.actor.name, self.name))

    def _act(self, what: str) -> bool:
        """Whether its answer is lost. ActuatorFailed where it is not done."""
        outcome = self.actor.step(Operation(f"{what} at {self.name}", ACT_FAULTS)) if self.actor else "go"
        self.ground.acts += 1
        if outcome == "unsent" or not self._seen():
            raise ActuatorFailed(f"{self.name}: {what}: no answer")
        return outcome == "lost"

    def _answer(self, what: str, *, lost: bool) -> None:
        if lost:
            raise ActuatorFailed(f"{self.name}: {what}: the answer was lost")

    def observe(self, *, deadline_s: float) -> SiteObservation:
        if self.actor is not None:
            self.actor.step(Operation(f"look at {self.name}"))
        if not self._seen():
            return SiteObservation(self.name, reachable=False, why="no answer")
        place, jobs = self._place, {}
        for name, run in place.runs.items():
            if run.running:
                self.ground.train(place, name, save=False)
            jobs[name] = JobObservation(
                running=run.running, ranks=int(run.running), generation=1, resumed_step=run.resumed,
                first_step=(run.resumed or 0) + 1, first_step_at=run.began, step=run.step, step_at=run.stepped,
            )  # fmt: skip
        return SiteObservation(
            self.name, reachable=True, capacity=place.capacity, capacity_bound=100, jobs=jobs,
            replicator_running=not place.fenced,
        )  # fmt: skip

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        try:
            lost = self._act(f"fence {'all' if only is None else ', '.join(sorted(only))}")
        except ActuatorFailed as error:
            return Fence("assumed", "nothing", str(error))
        for name in self._place.runs if only is None else only:
            if name in self._place.runs:
                self._place.runs[name].running = False
        self._place.fenced = self._place.fenced or only is None
        self._place.bar = self._place.bar.bar(order, only)
        if lost:
            return Fence("assumed", "nothing", "the answer was lost")
        return Fence("proven", "stopped", "confirmed")

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        lost = self._act(f"capacity {slots}")
        self._place.bar.require_admitted(order, self.name)
        self._place.capacity, self._place.fenced = slots, False
        self._answer("capacity", lost=lost)

    def checkpoints(self, workload: str) -> Path:
        return self.ground.folder / "sites" / self.name / workload

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        lost = self._act(f"start {workload} from {resume_step}")
        ground, place = self.ground, self._place
        before = place.runs.get(workload)
        if before is None or before.token != token:
            place.bar.require_admitted(order, self.name, workload)
        if before is not None and before.token == token:
            if not before.running:
                raise ActuatorFailed(f"{workload} was started with token {token} and stopped since")
        else:
            term = ground.repository(None, self.name).log(workload).view().term
            place.runs[workload] = Run(
                token, resume_step, term, resume_step or 0, saved=resume_step or 0, began=ground.now
            )
            place.fenced = False
            current = ground.assigned()
            elsewhere = tuple(
                name for name, each in ground.places.items()
                if name != self.name and (run := each.runs.get(workload)) and run.running and each.alive
                and (self.actor is None or ground.reaches(self.actor.name, name))
            )  # fmt: skip
            ground.starts.append(Start(
                self.name, workload, token, resume_step, self.actor.name if self.actor else "healer",
                current.writer(workload), current.number, elsewhere,
            ))  # fmt: skip
        self._answer("start", lost=lost)

    def serve(self, workload: str, *, deadline_s: float) -> None:
        raise ActuatorFailed(f"{workload} serves nothing here")

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        lost = self._act(f"stop {workload}")
        self._place.bar = self._place.bar.bar(order, [workload])
        run = self._place.runs.get(workload)
        if run is not None and run.running:
            self.ground.save(self._place, workload)
            run.running = False
        self._answer("stop", lost=lost)


@dataclass
class Purchases:
    """Carries out the one step of users' own: it buys, and nothing says whether it did."""

    ground: Ground
    actor: Actor | None

    def act(self, definition: dict[str, Any], context: Any) -> Said:
        del definition
        outcome = self.actor.step(Operation("buy", ACT_FAULTS)) if self.actor else "go"
        if outcome != "unsent":
            self.ground.bought[context.operation] = self.ground.bought.get(context.operation, 0) + 1
        return Said("done", "bought") if outcome == "go" else Said("unknown", "no answer")

    def check(self, definition: dict[str, Any], context: Any) -> Checked:
        raise AssertionError((definition, context))

    def tell(self, definition: dict[str, Any], context: Any, message: dict[str, Any]) -> Said:
        raise AssertionError((definition, context, message))

    def executor(self) -> dict[str, Any]:
        return {"actor": self.actor.name if self.actor else "healer"}

    def gone(self, executor: dict[str, Any]) -> bool:
        return executor.get("actor") in self.ground.stopped or self.ground.healed


BUY = OwnStep(
    name="buy", kind="shell", definition={"shell": ["buy"]}, does=lambda target: f"buy at {target}", timeout_s=60.0
)
