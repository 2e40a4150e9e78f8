"""A drill's site: a folder of its own that runs what the standby would run, on the part of it that nobody uses.

What it is told is read from the standby's own files (jobs, bounds, replicator), so that what is practised is what is
deployed. Invariant: everything that it is told to write lies below its own folder; what cannot be had apart is refused
before anything is made.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import NotReady
from drstack.platforms.local import ownership
from drstack.platforms.local.apart import ABROAD, harmless, read_replay
from drstack.platforms.local.atomic import read_json
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.guests import marks
from drstack.platforms.local.jobs import JobDefinition, define, read_definition
from drstack.platforms.local.keys import place_keys
from drstack.platforms.local.launch import attempt_id, gpus_present
from drstack.platforms.local.pool import Bounds, ensure_pool, read_bounds
from drstack.platforms.local.replicator import ensure_replicator
from drstack.platforms.local.supervisor import Supervisor
from drstack.proving.losses import LossesUnreadable
from replicator.service.config import Anchor, Destination, ServiceConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.drills.ground import Place
    from drstack.platforms.local.descriptor import LocalDescriptor
    from drstack.proving.ports import Replay


class LocalDrillSite:
    """Implements `drstack.drills.ground.DrillSite`. Made by the drill's own process, never by its operator's."""

    def __init__(self, host: LocalDescriptor, place: Place, workloads: Sequence[str]) -> None:
        self._described = host
        self._host = site_folder(host.folder)
        self._place = place
        self._workloads = tuple(workloads)
        self._folder = SiteFolder(place.folder / "sites" / host.site)

    @property
    def repository(self) -> str:
        """The URL of its object store."""
        return self._folder.store.as_uri()

    def make(self, environment_id: str) -> dict[str, object]:
        """The folder, its supervisord on the drill's leash, its jobs and slots. Returns its descriptor. NotReady."""
        definitions = [self._definition(name) for name in self._workloads]
        bounds = self._bounds()
        record = ownership.SiteRecord(self._place.environment, environment_id, self._described.site, "drill")
        ownership.claim(self._folder, record)
        self._folder.make()
        if self._place.keys is not None:
            place_keys(self._folder, self._place.keys, self._described.site)
        environ = {**harmless(os.environ), **marks(self._host, self._place.folder)}
        Supervisor(self._folder).ensure(fifo=str(self._place.leash), environ=environ)
        for each in definitions:
            define(self._folder, each)
        standby = min(bounds.maximum, self._idle_now())
        ensure_pool(self._folder, bounds, initial_slots=standby, writes=())
        return self._descriptor(environment_id, bounds, definitions)

    def protect(self) -> None:
        """Have its replicator run, as a promotion demands of a site; it ships to the drill's own repository alone."""
        ensure_replicator(self._folder, self._service())

    def replay(self, workload: str) -> Replay | None:
        """What its run of the workload logged since it was started; None where it logs no losses."""
        desired = read_desired(self._folder)
        job = desired.jobs.get(workload) if desired is not None else None
        if job is None:
            return None
        try:
            return read_replay(self._folder.metrics(workload), attempt_id(job.rdzv_id, 0))
        except LossesUnreadable:
            return None

    def _definition(self, workload: str) -> JobDefinition:
        found = read_definition(self._host, workload)
        if found is None:
            raise NotReady(
                f"{self._described.site} has no job of {workload} to practise with",
                hint="drstack up ENV makes the site's pool and jobs.",
            )
        program = found.program
        told = {name: value for name, value in program.env.items() if not name.startswith(ABROAD)}
        for word in (*program.command, *program.args, *told.values()):
            if any(_names(word, path) for path in self._place.real):
                raise NotReady(
                    f"the job of {workload} cannot be run apart: {word!r} names a place of the real environment",
                    hint="Let the job take its places from DRSTACK_CHECKPOINTS and DRSTACK_METRICS.",
                )
        python = program.python or _recorded(self._host)
        return replace(found, program=replace(program, env=told, python=python))

    def _bounds(self) -> Bounds:
        """What is left of the standby's bounds beside what runs there."""
        bounds, desired = read_bounds(self._host), read_desired(self._host)
        if bounds is None or desired is None:
            raise NotReady(f"{self._described.site} has no worker pool", hint="drstack up ENV makes it.")
        taken = [slot for job in desired.jobs.values() if job.running for slot in job.slots]
        if taken and bounds.devices == "auto" and gpus_present():
            raise NotReady(
                f"slots of {self._described.site} run {len(taken)} ranks on its GPUs: a drill would share GPUs with them",
                hint="Hold the drill at a site whose slots are idle, or while they are.",
            )
        return Bounds(0, bounds.maximum - len(taken), bounds.devices)

    def _idle_now(self) -> int:
        desired = read_desired(self._host)
        if desired is None:
            return 0
        return max(0, desired.slots - sum(len(job.slots) for job in desired.jobs.values() if job.running))

    def _descriptor(
        self, environment_id: str, bounds: Bounds, definitions: Sequence[JobDefinition]
    ) -> dict[str, object]:
        folder = self._folder
        return {
            "version": 1, "platform": "local", "environment": self._place.environment,
            "environment_id": environment_id, "site": self._described.site, "owner": "drill", "folder": str(folder.path),
            "repository": self.repository, "keys": str(folder.keys) if folder.keys.is_dir() else None,
            "capacity": {"minimum": 0, "maximum": bounds.maximum}, "serving": {}, "router": None,
            "workloads": {
                each.workload: {
                    "checkpoints": str(folder.checkpoints(each.program.checkpoints)),
                    "metrics": str(folder.metrics(each.workload)), "ranks": each.ranks,
                }
                for each in definitions
            },
        }  # fmt: skip

    def _service(self) -> ServiceConfig:
        """The standby's, but for every place that it names."""
        body = read_json(self._host.replicator_config)
        if body is None:
            raise NotReady(f"{self._described.site} has no replicator", hint="drstack up ENV makes it.")
        told = ServiceConfig.model_validate(body)
        paths = {name: self._checkpoints(name) for name in self._workloads}
        watched = tuple(
            each.model_copy(update={"path": paths[each.name], "code": None, "compact": None})
            for each in told.workloads
            if each.name in paths
        )
        folder = self._folder
        return told.model_copy(
            update={
                "own": told.own, "destinations": (Destination(name=told.own, url=self.repository),),
                "workloads": watched, "spool": str(folder.spool), "status_file": str(folder.replicator_status),
                "keys": str(folder.keys) if folder.keys.is_dir() else None, "hold_file": None, "tiers": (),
                "anchor": Anchor(url=self._place.witness, environment=self._place.environment),
                "scrub": None, "drill": None,
            }
        )  # fmt: skip

    def _checkpoints(self, workload: str) -> str:
        found = read_definition(self._folder, workload)
        assert found is not None  # noqa: S101 - `make` wrote it
        return str(self._folder.checkpoints(found.program.checkpoints))


def _names(word: str, path: str) -> bool:
    """Whether a word of a command names the place or something below it."""
    start = word.find(path)
    return start >= 0 and word[start + len(path) : start + len(path) + 1] in ("", "/", "'", '"', ":", ",", " ")


def _recorded(host: SiteFolder) -> str | None:
    """The interpreter that the standby's programs run by, if it says."""
    try:
        return Path(host.interpreter).read_text().strip() or None
    except OSError:
        return None
