"""drstack:local:Job: what a workload runs at a site, and which Python runs it.

Invariant: a changed definition counts from the next start; neither it nor `initiallyRunning` starts, stops or
restarts what runs (DESIGN, rule 10), and nothing is begun that was promoted elsewhere since roles were read.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from drstack.platforms.local import jobs, replicas
from drstack.platforms.local.desired import Desired, Program, Serving, change, read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.interpreter import of_site
from drstack.provider.kind import DRIFT, Created, Failure, Inputs, Kind
from drstack.provider.opens import site_writes
from drstack.provider.sites import Folder, Name, identify, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.provider.values import Plain

START_S = 30.0


class JobInputs(Inputs):
    folder: Folder
    workload: Name
    module: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ranks: int = Field(ge=1)
    env: dict[str, str] = Field(default_factory=dict[str, str])
    checkpoints: str
    initially_running: bool | None = None
    python: str | None = None
    serves: Name | None = None
    receipts: tuple[str, ...] = ()


class Job(Kind[JobInputs]):
    token = "drstack:local:Job"  # noqa: S105 - a type token
    inputs = JobInputs
    identity = ("folder", "workload")
    at_create = ("initiallyRunning",)

    def check(self, inputs: Mapping[str, Plain]) -> list[Failure]:
        module, command, path = inputs.get("module"), inputs.get("command"), inputs.get("checkpoints")
        failures: list[Failure] = []
        if (module is None) == (not command):
            failures.append(Failure("module", "either a module or a command is expected"))
        if inputs.get("serves") is not None and command:
            failures.append(Failure("command", "a workload that serves is a module"))
        if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
            failures.append(Failure("checkpoints", f"is {path!r}: a folder below the site's is expected"))
        python = inputs.get("python")
        if isinstance(python, str) and not (python.startswith("/") and os.access(python, os.X_OK)):
            failures.append(Failure("python", f"is {python!r}: the absolute path of an interpreter is expected"))
        return failures

    def create(self, inputs: JobInputs) -> Created:
        outputs = self.update(inputs)
        folder = site_folder(inputs.folder)
        if inputs.initially_running and inputs.serves is not None:
            replicas.ensure(folder, inputs.workload, deadline_s=START_S)
        elif inputs.initially_running and site_writes(folder, inputs.workload) is not False:
            jobs.begin(folder, inputs.workload, deadline_s=START_S)
        return Created(identify(inputs.folder, f"job/{inputs.workload}"), outputs)

    def update(self, inputs: JobInputs) -> Mapping[str, object]:
        folder = site_folder(inputs.folder)
        jobs.define(folder, _definition(inputs))
        if inputs.serves is not None:
            replicas.keep_ports(folder, inputs.workload, inputs.ranks)
        return {**inputs.model_dump(by_alias=True), DRIFT: []}

    def read(self, inputs: JobInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        there = jobs.read_definition(folder, inputs.workload) if present(folder) else None
        if there is None:
            return None
        drift = [] if there == _definition(inputs) else ["the definition was changed"]
        return {**inputs.model_dump(by_alias=True), DRIFT: drift}

    def delete(self, inputs: JobInputs) -> None:
        folder = site_folder(inputs.folder)
        if not present(folder):
            return
        jobs.stop(folder, inputs.workload, deadline_s=START_S)
        if read_desired(folder) is not None:
            change(folder, lambda now: _without(now or Desired(0), inputs.workload))
        _forget(folder, inputs.workload)


def _definition(inputs: JobInputs) -> jobs.JobDefinition:
    python = inputs.python or of_site(site_folder(inputs.folder))
    serving = None if inputs.serves is None else Serving(inputs.serves, inputs.receipts)
    program = Program(inputs.module, inputs.command, inputs.args, inputs.env, inputs.checkpoints, python, serving)
    return jobs.JobDefinition(inputs.workload, inputs.ranks, program)


def _without(now: Desired, workload: str) -> Desired:
    return replace(now, jobs={name: job for name, job in now.jobs.items() if name != workload})


def _forget(folder: SiteFolder, workload: str) -> None:
    for path in (folder.job(workload), folder.attempts(workload), *folder.run.glob(f"job-{workload}.*.json")):
        path.unlink(missing_ok=True)
    replicas.forget_ports(folder, workload)
