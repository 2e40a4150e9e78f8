"""What a drill stands on while it is played: pins in the real repositories, a folder with its leash, and its script.

Invariant: all of it is gone afterwards, processes first; what could not be removed is told.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drstack.drills.build import KEYS
from drstack.drills.ground import Place
from drstack.drills.remains import PIN, drills_folder, unpin
from drstack.drills.script import FILE, PointToCopy, Script
from drstack.platforms.registry import end_drill
from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from drstack.drills.ground import Ground
    from drstack.drills.planning import Held, Request
    from drstack.recovery.world import World
    from drstack.spec import Environment

Doc = dict[str, Any]


@contextmanager
def staged(
    declared: Environment, root: Path, request: Request, world: World, ground: Ground, held: Held, begun: Doc
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
        with ground.guarded(folder, place.leash):
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
