"""What readiness asks of a local site beyond recovery's look. Implements `drstack.readiness.ports.Probe`.

Invariant: nothing is changed, nothing raises, and what could not be asked is said to be unknown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local.desired import Desired, read_desired
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.interpreter import gone
from drstack.platforms.local.jobs import read_definition
from drstack.platforms.local.ownership import read_record
from drstack.platforms.local.pool import pool_drift, read_bounds
from drstack.platforms.local.programs import REPLICATOR
from drstack.readiness.ports import Controller, Look
from replicator.versions.asking import Unknown
from replicator.versions.fit import Machine
from replicator.versions.hardware import hardware_here
from replicator.versions.software import software_here

if TYPE_CHECKING:
    from collections.abc import Collection

    from drstack.platforms.local.descriptor import LocalDescriptor
    from drstack.platforms.local.jobs import JobDefinition

_BY_DIGEST = re.compile(r"[A-Za-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")
_ENGINES = (("podman", "image", "exists"), ("docker", "image", "inspect"))
_ASK_S = 10.0


def _lies(log: Path) -> str | None:
    return str(log) if log.is_file() else None


class LocalProbe:
    def __init__(self, descriptor: LocalDescriptor) -> None:
        self._descriptor = descriptor
        self._folder = site_folder(descriptor.folder)

    def look(self, workloads: Collection[str], *, deadline_s: float) -> Look | None:
        try:
            return self._look(workloads, min(_ASK_S, deadline_s)) if self._folder.path.is_dir() else None
        except (ActuatorFailed, OSError) as error:
            return Look(time.time(), unlike=(str(error),))

    def _look(self, workloads: Collection[str], ask_s: float) -> Look:
        folder = self._folder
        desired = read_desired(folder) or Desired(0)
        defined = {name: read_definition(folder, name) for name in workloads}
        serving = [job for job in desired.jobs.values() if job.running and job.program.serving is not None]
        unknown: dict[str, str] = {}
        runs = {name: _lies(folder.log(f"{name}-rank0")) for name in workloads}
        return Look(
            at=time.time(),
            unlike=tuple(self._unlike()),
            controllers=tuple(self._controllers()),
            undefined=tuple(name for name, job in defined.items() if job is None),
            held_slots=sum(len(job.slots) for job in serving),
            free_bytes=shutil.disk_usage(folder.path).free,
            machine=self._machine(unknown),
            images=_images([job for job in defined.values() if job is not None], ask_s, unknown),
            drift=tuple(self._drift(desired)),
            unknown=unknown,
            replicator_log=_lies(folder.log(REPLICATOR)),
            run_logs={name: told for name, told in runs.items() if told is not None},
        )

    def _unlike(self) -> list[str]:
        told, bounds = self._descriptor, read_bounds(self._folder)
        found: list[str] = []
        if bounds is None:
            found.append("it has no pool")
        elif bounds.maximum != told.capacity.maximum:
            found.append(f"it has up to {bounds.maximum} worker slots, and told {told.capacity.maximum}")
        if told.keys is not None and not Path(told.keys).is_dir():
            found.append(f"its keys in {told.keys} are not there")
        if gone(self._folder):
            found.append(f"the Python that runs its programs, named in {self._folder.interpreter}, is gone")
        return found

    def _controllers(self) -> list[Controller]:
        record = read_record(self._folder)
        if record is None or record.owner == self._descriptor.owner:
            return []
        stack = record.owner.rpartition("/")[2]
        return [
            Controller(
                f"stack {record.owner}", "all that a promotion turns",
                f"pulumi destroy -s {stack}, or promote with the environment that owns the site",
            )
        ]  # fmt: skip

    def _drift(self, desired: Desired) -> list[str]:
        """A fence is none: a promotion lifts it."""
        return [] if desired.fenced is not None else pool_drift(self._folder)

    def _machine(self, unknown: dict[str, str]) -> Machine | None:
        bounds = read_bounds(self._folder)
        if bounds is None or bounds.devices == "cpu":
            return Machine(gpus=())
        try:
            found = hardware_here(os.environ)
        except Unknown as error:
            unknown["machine"] = str(error)
            return None
        software = software_here()
        return Machine(gpus=found.gpus, driver=found.driver, torch=software.torch, cuda=software.cuda)


def _images(jobs: list[JobDefinition], ask_s: float, unknown: dict[str, str]) -> dict[str, bool | None]:
    named = {match for job in jobs for text in _said(job) for match in _BY_DIGEST.findall(text)}
    engine = next((each for each in _ENGINES if shutil.which(each[0])), None)
    if named and engine is None:
        unknown["images"] = "neither podman nor docker is there"
    return {each: None if engine is None else _there((*engine, each), ask_s, unknown) for each in sorted(named)}


def _said(job: JobDefinition) -> list[str]:
    return [*job.program.command, *job.program.args, *job.program.env.values()]


def _there(command: tuple[str, ...], ask_s: float, unknown: dict[str, str]) -> bool | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=ask_s, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        unknown["images"] = str(error)
        return None
    if done.returncode == 0:
        return True
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == 1 and (not said or "no such image" in said.lower()):
        return False
    unknown["images"] = said[-200:]
    return None
