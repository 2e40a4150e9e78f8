"""A world of two sites for tests: real repositories and witness on in-memory stores, sites that only remember."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.custody.ring import listed
from drstack.recovery.admission import bring_up_to
from drstack.recovery.plan import Need
from drstack.recovery.ports import Fence, JobObservation, SiteObservation
from drstack.recovery.world import World
from drstack.spec.keys import key_name
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.crypto.founding import Wanted, found
from replicator.crypto.keyring import Keyring, from_machine
from replicator.crypto.trust import TrustedRepository, write_trust
from replicator.errors import StoreUnavailable
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.stores.cloud import memory_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from replicator.model import Finding, Versions
    from replicator.stores.store import ObjectStore

SOAK = bool(os.environ.get("DRSTACK_SOAK"))
CUSTODY = ("recovery", "escrow")
NEED = Need(rpo_s=60.0, rto_s=60.0, demanded=("stored", "decoded"), ranks=2)


@dataclass
class RememberedSite:
    """A site whose job makes a step every time that it is looked at."""

    name: str
    folder: Path
    bound: int = 5
    reachable: bool = True
    capacity: int = 1
    starts: list[tuple[str, int | None]] = field(default_factory=list)
    steps: itertools.count = field(default_factory=lambda: itertools.count(1))
    fenced: int = 0
    stopped: list[str] = field(default_factory=list)
    """Workloads that were stopped while the rest of the site went on."""
    replicator: bool = True
    ends_after: int | None = None
    """The run ends well after so many steps."""
    resumed: int | None = None
    served: list[str] = field(default_factory=list)

    def observe(self, *, deadline_s: float) -> SiteObservation:
        if not self.reachable:
            return SiteObservation(self.name, reachable=False, why="taken away")
        jobs = {"gpt": JobObservation(running=False, ranks=0)}
        if self.starts:
            resumed = self.resumed or 0
            first = resumed + 1
            made = min(next(self.steps), self.ends_after or 10**9)
            jobs = {
                "gpt": JobObservation(
                    running=made != self.ends_after, ranks=2, generation=1, resumed_step=self.resumed, first_step=first,
                    first_step_at=time.time(), step=resumed + made, step_at=time.time(),
                )
            }  # fmt: skip
        return SiteObservation(
            self.name,
            True,
            capacity=self.capacity,
            capacity_bound=self.bound,
            replicator_running=self.replicator,
            jobs=jobs,
        )

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        if only is not None:
            self.stopped += only
        else:
            self.fenced += 1
        if self.reachable:
            return Fence("proven", "stopped", "confirmed")
        return Fence("assumed", "nothing", "taken away")

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        self.capacity = slots

    def checkpoints(self, workload: str) -> Path:
        return self.folder / workload

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        if (token, resume_step) not in self.starts:
            self.starts.append((token, resume_step))
            self.resumed = resume_step

    def serve(self, workload: str, *, deadline_s: float) -> None:
        self.served.append(workload)

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        self.starts.clear()


class Quiet:
    def begin(self, step: str) -> None:
        pass

    def end(self, step: str, seconds: float, detail: str) -> None:
        pass


class Away:
    """Faults of a store that never answers."""

    def before(self, verb: str, key: str) -> None:
        raise StoreUnavailable("black hole")

    def after(self, verb: str, key: str) -> None:
        pass

    def filter(self, key: str, body: bytes) -> bytes:
        return body


def found_keys(folder: Path, sites: tuple[str, ...], hands: tuple[str, ...] = ()) -> Keyring:
    """Keys of an environment of these sites, as `drstack keys make` makes them; with those of `hands` at hand too."""
    wanted = [Wanted("promoter", "promoter"), *(Wanted(each, "recipient", on_paper=True) for each in CUSTODY)]
    roles = {"writer": "writer", "keeper": "keeper", "verifier": "verifier", "reader": "recipient"}
    for site in sites:
        wanted += [Wanted(key_name(name, site), role, f"sites/{site}") for name, role in roles.items()]
    found(folder, scope=random_token(), how=None, unlocking=from_machine(), wanted=wanted)
    return Keyring(folder, also=[folder / "sites" / site for site in hands])


@dataclass
class Rig:
    """East writes gpt in term 1; west stands by. `stores` are what both repositories and the witness lie on."""

    folder: Path
    stores: dict[str, ObjectStore] = field(
        default_factory=lambda: {name: memory_store() for name in ("east", "west", "witness")}
    )
    sites: dict[str, RememberedSite] = field(default_factory=dict)
    wrap: Callable[[str, ObjectStore], ObjectStore] = lambda _, store: store
    encrypted: bool = False
    keys: Keyring | None = None
    """The operator's; made where the rig is `encrypted`. At length (DRSTACK_SOAK) all are, and who tests has every key."""

    def __post_init__(self) -> None:
        if self.encrypted or SOAK:
            hands = () if self.encrypted else ("east", "west")
            self.keys = found_keys(self.folder / "keys", ("east", "west"), hands)
        self.sites = {name: RememberedSite(name, self.folder / name) for name in ("east", "west")}
        witness = self.witness()
        witness.found()
        for name in ("east", "west"):
            suite = "none" if self.keys is None else self.keys.trust.suite
            made = initialise(
                self.stores[name],
                environment="e",
                witness="memory://",
                clock=time.time,
                token=random_token,
                suite=suite,
            )
            if self.keys is not None:
                self.keys.admit(TrustedRepository(id=made.repository, url=self.stores[name].url, suite=suite))
        part = WorkloadAssignment(writer="east", term=1, keys=self.keys_for("east"))
        first = witness.assign(Assignment(number=1, workloads={"gpt": part}, cause="create"))
        for name in ("east", "west"):
            bring_up_to(first, "gpt", self.repository(name))

    def keys_for(self, writer: str) -> tuple[str, ...]:
        return listed(self.keys.trust, writer) if self.keys is not None else ()

    def keys_of(self, site: str) -> Keyring | None:
        """What the site itself holds: the trust file and its own keys."""
        if self.keys is None:
            return None
        folder = self.folder / f"keys-of-{site}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_trust(folder, self.keys.trust)
        for path in (self.keys.folder / "sites" / site).glob("*.key"):
            shutil.copy2(path, folder / path.name)
        return Keyring(folder)

    def witness(self) -> Witness:
        return Witness(self.wrap("witness", self.stores["witness"]), "e", clock=time.time, token=random_token)

    def repository(self, name: str) -> Repository:
        memory = self.folder / "seen" / "operator" if self.keys is not None else None
        return Repository(name, self.wrap(name, self.stores[name]), keys=self.keys, memory=memory)

    def at(self, site: str, name: str) -> Repository:
        """The repository `name` as the programs of `site` have it."""
        return Repository(name, self.stores[name], keys=self.keys_of(site), memory=self.folder / "seen" / site)

    def world(self, need: Need = NEED, *, reconcile: object = None) -> World:
        return World(
            environment="e", witness=self.witness(), sites=self.sites,
            repositories={name: self.repository(name) for name in ("east", "west")}, needs={"gpt": need},
            clock=time.time, sleep=lambda _: None, progress=Quiet(), reconcile=reconcile, keys=self.keys,
            keys_for=self.keys_for,
        )  # fmt: skip

    def save(
        self,
        step: int,
        *,
        to: tuple[str, ...] = ("east", "west"),
        receipts: bool = True,
        term: int = 1,
        age_s: float = 0.0,
        findings: tuple[Finding, ...] = (),
        versions: Versions | None = None,
    ) -> None:
        """Ship a checkpoint of a few bytes as the writer of `term` would, `age_s` ago; height is step / 10."""
        source = self.folder / "source" / f"step-{step:08d}"
        source.mkdir(parents=True, exist_ok=True)
        (source / "weights").write_bytes(step.to_bytes(8, "big") * 64)
        saved_at = time.time() - age_s
        os.utime(source / "weights", (saved_at, saved_at))
        snapshot = take_snapshot(source, ["weights"])
        push = Push(
            "gpt", source.name, term, step // 10, step, random_token(), b"s" * 16, snapshot.saved_at,
            findings=findings, versions=versions,
        )  # fmt: skip
        writer = self.witness().assignments()[term - 1].writer("gpt")
        for name in to:
            accepted = ship(push, snapshot, self.at(writer, name))
            if receipts:
                verify(self.at(name, name), "gpt", accepted, name)

    def prove(self, step: int, *, ok: bool = True, at: str = "west", reason: str = "bit for bit") -> None:
        """The word of `at`'s prover about the checkpoint of `step` in its own repository."""
        repository = self.at(at, at)
        slot = next(a.slot for a in repository.log("gpt").view().in_order() if a.what.step == step)
        record = repository.log("gpt").slot(slot).digest
        repository.receipts.write("gpt", slot, "proved", at, record=record, ok=ok, reason=reason)
