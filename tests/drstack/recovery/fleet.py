"""Several workloads at several sites: real repositories and witness on in-memory stores, sites that only remember."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local.desired import Desired
from drstack.recovery.admission import bring_up_to
from drstack.recovery.plan import Need
from drstack.recovery.ports import Fence, JobObservation, SiteObservation
from drstack.recovery.world import World
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.stores.cloud import memory_store
from replicator.stores.url import open_store
from tests.drstack.recovery.world import Quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from replicator.stores.store import ObjectStore


@dataclass
class FleetSite:
    """Each look at a job that was started shows it one step further. `trouble`: called before every act."""

    name: str
    folder: Path
    bound: int = 100
    capacity: int = 1
    reachable: bool = True
    started: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    """Workloads in the order in which they were started."""
    stopped: list[str] = field(default_factory=list)
    reached: dict[str, int] = field(default_factory=dict)
    """The step that a workload is stopped at, where a test says so."""
    last: dict[str, int] = field(default_factory=dict)
    """The last step of what was stopped."""
    fenced: int = 0
    bar: Desired = field(default_factory=lambda: Desired(0))
    """What of it refuses whoever comes too late is a local site's own."""
    looks: int = 0
    acts: list[tuple[str, float]] = field(default_factory=list)
    trouble: Callable[[str], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, *, deadline_s: float) -> SiteObservation:
        if not self.reachable:
            return SiteObservation(self.name, reachable=False, why="taken away")
        with self.lock:
            self.looks += 1
            jobs = {
                name: JobObservation(
                    running=True, ranks=1, generation=1, resumed_step=step, first_step=(step or 0) + 1,
                    first_step_at=time.time(), step=(step or 0) + 10, step_at=time.time(),
                )
                for name, (_, step) in self.started.items()
            }  # fmt: skip
            jobs |= {
                name: JobObservation(running=False, ranks=0, step=step)
                for name, step in self.last.items()
                if name not in jobs
            }
        return SiteObservation(
            self.name, reachable=True, capacity=self.capacity, capacity_bound=self.bound, replicator_running=True,
            jobs=jobs,
        )  # fmt: skip

    def _act(self, name: str) -> None:
        self.acts.append((name, time.monotonic()))
        self.trouble(name)

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        self._act("fence")
        if not self.reachable:
            return Fence("assumed", "nothing", "taken away")
        self.bar = self.bar.bar(order, only)
        if only is None:
            self.fenced += 1
            self.started.clear()
        else:
            self.stopped += sorted(only)
            for name in only:
                self.started.pop(name, None)
        return Fence("proven", "stopped", "confirmed")

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        self._act(f"capacity {slots}")
        self.bar.require_admitted(order, self.name)
        self.capacity = slots

    def checkpoints(self, workload: str) -> Path:
        return self.folder / workload

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        self._act(f"start {workload}")
        self.bar.require_admitted(order, self.name, workload)
        with self.lock:
            if self.started.get(workload) != (token, resume_step):
                self.started[workload] = (token, resume_step)
                self.starts.append(workload)

    def serve(self, workload: str, *, deadline_s: float) -> None:
        raise ActuatorFailed(f"{workload} serves nothing here")

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        with self.lock:
            self.bar = self.bar.bar(order, [workload])
            told = self.started.pop(workload, None)
            if told is not None:
                self.last[workload] = self.reached.get(workload, (told[1] or 0) + 10)
        self._act(f"stop {workload}")


@dataclass
class Fleet:
    """The first site writes every workload in term 1; the others stand by."""

    folder: Path
    names: tuple[str, ...] = ("a", "b", "c")
    places: tuple[str, ...] = ("east", "west")
    after: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stores: dict[str, ObjectStore] = field(default_factory=dict)
    sites: dict[str, FleetSite] = field(default_factory=dict)
    wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store
    """What lies between an operator and every store; sites have theirs without it."""
    on_disk: bool = False
    """In folders, so that other processes work on the same: whoever comes second finds what the first made."""

    def __post_init__(self) -> None:
        self.stores = {name: self._store(name) for name in (*self.places, "witness")}
        self.sites = {name: FleetSite(name, self.folder / name) for name in self.places}
        if self.on_disk and self.witness().assignments():
            return
        witness = self.witness()
        identity = witness.found()
        for name in self.places:
            initialise(
                self.stores[name], environment=identity, witness="memory://", clock=time.time, token=random_token,
                suite="none",
            )  # fmt: skip
        parts = {name: WorkloadAssignment(writer=self.places[0], term=1) for name in self.names}
        first = witness.assign(Assignment(number=1, workloads=parts, cause="create"))
        for place in self.places:
            for name in self.names:
                bring_up_to(first, name, self.repository(place))
        self.sites[self.places[0]].started = dict.fromkeys(self.names, ("begin", None))

    def _store(self, name: str) -> ObjectStore:
        if not self.on_disk:
            return memory_store()
        place = self.folder / "stores" / name
        place.mkdir(parents=True, exist_ok=True)
        return open_store(place.as_uri())

    def witness(self) -> Witness:
        return Witness(self.stores["witness"], "e", clock=time.time, token=random_token)

    def repository(self, place: str) -> Repository:
        return Repository(place, self.stores[place])

    def world(self, **changed: object) -> World:
        needs = {
            name: Need(
                rpo_s=60.0, rto_s=60.0, demanded=("stored", "decoded"), ranks=1, after=tuple(self.after.get(name, ()))
            )
            for name in self.names
        }
        fields: dict[str, object] = {
            "environment": "e", "sites": self.sites,
            "witness": Witness(self.wrap(self.stores["witness"]), "e", clock=time.time, token=random_token),
            "repositories": {name: Repository(name, self.wrap(self.stores[name])) for name in self.places},
            "needs": needs, "clock": time.time,
            "sleep": lambda _: None, "progress": Quiet(),
        }  # fmt: skip
        return World(**{**fields, **changed})

    def save(
        self, *names: str, step: int = 10, term: int = 1, to: tuple[str, ...] | None = None, height: int | None = None
    ) -> None:
        """A checkpoint of each workload (of all, where none is named), with its receipts."""
        for name in names or self.names:
            source = self.folder / "source" / name / f"step-{step:08d}"
            source.mkdir(parents=True, exist_ok=True)
            (source / "weights").write_bytes(name.encode() * 64 + step.to_bytes(8, "big"))
            os.utime(source / "weights")
            snapshot = take_snapshot(source, ["weights"])
            push = Push(
                name, source.name, term, height or step // 10, step, random_token(), b"s" * 16, snapshot.saved_at, findings=(),
                versions=None,
            )  # fmt: skip
            for place in to or self.places:
                repository = self.repository(place)
                verify(repository, name, ship(push, snapshot, repository), place)

    def writers(self) -> dict[str, str]:
        current = self.witness().current()
        return {name: current.writer(name) for name in self.names}
