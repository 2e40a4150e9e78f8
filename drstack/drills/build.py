"""A drill's environment: a witness, keys, repositories and a site of its own, with copies of the real recovery points.

Assignment 1 says what the real one says of the moved workloads: the lost site writes. Invariant: the real repositories
are opened so that they can only be read, with memory of them kept in the drill's folder.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from drstack.assembly import needs, open_witness
from drstack.custody.make import wanted_keys
from drstack.custody.ring import SITES, listed, open_keys
from drstack.drills.scene import WHY
from drstack.drills.seed import copy, find, require_room
from drstack.drills.stores import LostStore, ReadOnlyStore
from drstack.errors import NotReady
from drstack.platforms.registry import open_site
from drstack.recovery.absent import AbsentSite
from drstack.recovery.admission import bring_up_to
from drstack.recovery.world import World
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring, from_machine
from replicator.crypto.suites import NONE
from replicator.crypto.trust import TrustedRepository
from replicator.model import CommitId
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.stores.url import make_folder, open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.drills.ground import DrillSite, Place
    from drstack.drills.script import Script
    from drstack.drills.seed import Seeded
    from drstack.recovery.world import Progress
    from drstack.spec import Environment

KEYS = "keys"
T = TypeVar("T")


def make_keys(environment: Environment, place: Place, repository: str, identity: str) -> Keyring | None:
    """Keys for this drill alone, with its repository in their trust file; None where the environment has none."""
    if place.keys is None:
        return None
    suite = environment.replication.suite
    found(
        place.keys, scope=random_token(), how=None, unlocking=from_machine(), suite=suite, wanted=wanted_keys(environment),
        repositories=[TrustedRepository(id=identity, url=repository, suite=suite)],
    )  # fmt: skip
    return Keyring(place.keys, also=[place.keys / SITES / name for name in environment.sites])


def build(
    environment: Environment, script: Script, place: Place, site: DrillSite, progress: Progress
) -> tuple[World, list[Seeded]]:
    """The world in which the drill's promotion is carried out. NotReady, StepFailed, ActuatorFailed, and the stores' errors."""
    identity = random_token()
    make_folder(place.witness)
    make_folder(site.repository)
    keys = make_keys(environment, place, open_store(site.repository).url, identity)
    witness = Witness(open_store(place.witness), script.name, clock=time.time, token=random_token)
    founded = witness.found()
    witness.publish(script.target, _timed(progress, "drill site", lambda: site.make(founded)))
    repository = Repository(
        script.target, open_store(site.repository), keys=keys, memory=place.folder / "seen" if keys else None
    )
    initialise(
        repository.store, environment=founded, witness=place.witness, clock=time.time, token=lambda: identity,
        suite=keys.trust.suite if keys else NONE,
    )  # fmt: skip
    first = witness.assign(_assignment(script, keys))
    for point in script.points:
        bring_up_to(first, point.workload, repository)
    seeded = _seed(environment, script, place, repository, progress)
    _timed(progress, "drill replicator", site.protect)
    return _world(environment, script, witness, repository, keys, progress), seeded


def _seed(
    environment: Environment, script: Script, place: Place, drill: Repository, progress: Progress
) -> list[Seeded]:
    witness = open_witness(environment, script.root)
    seeded: list[Seeded] = []
    for point in script.points:
        real = _real(environment, script, place, witness, point.repository)
        accepted = find(real, point.workload, CommitId(*point.commit))
        require_room(place.folder, accepted.what.size_bytes)
        seeded.append(
            _timed(
                progress, f"drill copy {point.workload}",
                lambda real=real, accepted=accepted: copy(
                    real, accepted, drill, place.scratch, verifier=script.target
                ),
            )
        )  # fmt: skip
    return seeded


def _real(environment: Environment, script: Script, place: Place, witness: Witness, site: str) -> Repository:
    descriptor = witness.descriptor(site)
    if descriptor is None:
        raise NotReady(
            f"{site} has published no descriptor", hint=f"drstack up {environment.environment} --site {site}"
        )
    described = [witness.descriptor(name) or {} for name in (site, script.target)]
    holding = [Path(str(each["keys"])) for each in described if each.get("keys")]
    keys = open_keys(environment, script.root, also=[each for each in holding if each.is_dir()])
    store = ReadOnlyStore(open_store(str(descriptor["repository"])))
    return Repository(site, store, keys=keys, memory=place.folder / "seen-real" if keys else None)


def _assignment(script: Script, keys: Keyring | None) -> Assignment:
    signing = listed(keys.trust, script.lost) if keys is not None else ()
    part = WorkloadAssignment(writer=script.lost, term=1, keys=signing)
    return Assignment(number=1, workloads={point.workload: part for point in script.points}, cause="create")


def _world(
    environment: Environment,
    script: Script,
    witness: Witness,
    repository: Repository,
    keys: Keyring | None,
    progress: Progress,
) -> World:
    """`proved` is not asked for again: what it was said of is the real checkpoint, when the real plan was made."""
    descriptor = witness.descriptor(script.target) or {}
    wanted = {point.workload for point in script.points}
    wishes = {
        name: replace(need, demanded=tuple(level for level in need.demanded if level != "proved"), acknowledge=())
        for name, need in needs(environment, script.target).items()
        if name in wanted
    }
    return World(
        environment=script.name, witness=witness,
        sites={script.lost: AbsentSite(script.lost, WHY), script.target: open_site(descriptor)},
        repositories={
            script.lost: Repository(script.lost, LostStore(f"site {script.lost}", WHY), keys=keys),
            script.target: repository,
        },
        needs=wishes, clock=time.time, sleep=time.sleep, progress=progress, keys=keys,
        keys_for=lambda site: listed(keys.trust, site) if keys is not None else (),
    )  # fmt: skip


def _timed(progress: Progress, step: str, act: Callable[[], T]) -> T:
    began = time.monotonic()
    progress.begin(step)
    done = act()
    progress.end(step, time.monotonic() - began, "")
    return done
