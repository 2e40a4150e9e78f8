"""A local site behind recovery's port: supervisord's word, the desired state, and the runs' metrics.

Decides nothing about recovery. Invariant: observing and fencing never raise; acting is convergent and ends within its
deadline.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed, EnvironmentUnknown
from drstack.platforms.local import jobs, programs, replicas
from drstack.platforms.local.attempts import read_attempt
from drstack.platforms.local.desired import Desired, DesiredJob, change, read_desired
from drstack.platforms.local.fence import fence, fence_workloads
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.guests import end_guests
from drstack.platforms.local.holding import start_holder
from drstack.platforms.local.interpreter import gone
from drstack.platforms.local.metrics import read_run
from drstack.platforms.local.pool import read_bounds, running_slots, settle, wanted_slots
from drstack.platforms.local.processes import can_look
from drstack.platforms.local.prover import read_status
from drstack.platforms.local.renewal import RENEW_S, renew_programs
from drstack.platforms.local.replicator import start_replicator
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.verified import read_verified
from drstack.platforms.local.waiting import Deadline
from drstack.recovery.ports import Fence, JobObservation, SiteObservation

if TYPE_CHECKING:
    from collections.abc import Collection

    from drstack.platforms.local.descriptor import LocalDescriptor


class LocalSite:
    """Implements `drstack.recovery.ports.Site`."""

    def __init__(self, descriptor: LocalDescriptor) -> None:
        self._descriptor = descriptor
        self._folder = site_folder(descriptor.folder)

    @property
    def name(self) -> str:
        return self._descriptor.site

    def observe(self, *, deadline_s: float) -> SiteObservation:
        try:
            return self._look(deadline_s)
        except (ActuatorFailed, OSError) as error:
            return SiteObservation(self.name, reachable=False, why=str(error))

    def _look(self, deadline_s: float) -> SiteObservation:
        if not self._folder.path.is_dir():
            raise ActuatorFailed(f"the site's folder {self._folder.path} is not there")
        states = Supervisor(self._folder, timeout_s=deadline_s).programs()
        bounds, desired = read_bounds(self._folder), read_desired(self._folder) or Desired(0)
        replicator = states.get(programs.REPLICATOR)
        return SiteObservation(
            self.name,
            reachable=True,
            capacity=running_slots(self._folder, states),
            capacity_bound=bounds.maximum if bounds else 0,
            replicator_running=replicator is not None and replicator.state == "RUNNING",
            jobs={name: self._job(name, desired.jobs.get(name)) for name in self._descriptor.workloads},
            proving=read_status(self._folder),
            verified=read_verified(self._folder.replicator_status),
            clock=max((float(state.at) for state in states.values()), default=None),
            shows_processes=can_look(),
        )

    def _job(self, workload: str, job: DesiredJob | None) -> JobObservation:
        metrics = self._folder.metrics(workload)
        run = read_run(metrics, offset=job.metrics_offset if job else 0, rdzv_id=job.rdzv_id if job else None)
        attempt = read_attempt(self._folder, workload, job) if job else None
        ranks = len(jobs.ranks_running(self._folder, workload))
        return JobObservation(
            running=job is not None and job.running and ranks >= job.ranks,
            ranks=ranks,
            generation=job.generation if job else 0,
            resumed_step=run.resumed_step,
            first_step=run.first_step,
            first_step_at=run.first_step_at,
            step=run.step,
            step_at=run.step_at,
            failure=attempt.failure if attempt else None,
            wanted=job is not None and job.running,
            failures=attempt.in_a_row if attempt else 0,
        )

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        end_guests(self._folder)
        if only is not None:
            return fence_workloads(self._folder, only, deadline_s=deadline_s, order=order)
        return fence(self._folder, deadline_s=deadline_s, order=order)

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        deadline = Deadline(deadline_s)
        end_guests(self._folder)  # a drill's: the real work takes what they use
        bounds = read_bounds(self._folder)
        if bounds is None or not bounds.minimum <= slots <= bounds.maximum:
            bound = f"has {bounds.minimum} to {bounds.maximum}" if bounds else "has no pool"
            raise ActuatorFailed(
                f"site {self.name}: {slots} slots were asked for; it {bound}",
                hint="Raise `slots` of the site in the environment file, then: drstack up ENV.",
            )

        def decide(now: Desired | None) -> Desired:
            if now is None:
                raise ActuatorFailed(f"site {self.name} has no pool", hint="drstack up ENV makes it.")
            now.require_admitted(order, self.name)
            losing = [name for name, job in now.jobs.items() if job.running and max(job.slots, default=-1) >= slots]
            if losing and slots < now.slots:
                raise ActuatorFailed(
                    f"site {self.name}: {slots} slots would stop {', '.join(losing)}", hint="Stop the job first."
                )
            return replace(now, slots=slots, fenced=None)

        with _named(self.name):
            change(self._folder, decide)
            if gone(self._folder):
                renew_programs(self._folder, bounds, deadline_s=deadline.left_s(RENEW_S))
            if self._folder.replicator_config.exists():
                start_replicator(self._folder, deadline_s=deadline.left_s())
            start_holder(self._folder)
            settle(self._folder, lambda: wanted_slots(self._folder), deadline_s=deadline.left_s())
            self._require_still(slots)

    def _require_still(self, slots: int) -> None:
        """ActuatorFailed where somebody wanted it otherwise meanwhile."""
        now = read_desired(self._folder) or Desired(0)
        if now.fenced is not None or now.slots != slots:
            why = f"is fenced: {now.fenced}" if now.fenced is not None else f"was told to run {now.slots}"
            raise ActuatorFailed(
                f"site {self.name}: {slots} slots were asked for; meanwhile it {why}",
                hint="Look with drstack status ENV who wants what, then run the command again.",
            )

    def checkpoints(self, workload: str) -> Path:
        known = self._descriptor.workloads.get(workload)
        if known is None:
            raise EnvironmentUnknown(
                f"site {self.name} has no workload {workload!r}",
                hint=f"Its workloads are: {', '.join(self._descriptor.workloads)}.",
            )
        return Path(known.checkpoints)

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        end_guests(self._folder)
        with _named(self.name):
            jobs.start(self._folder, workload, token=token, resume_step=resume_step, deadline_s=deadline_s, order=order)

    def serve(self, workload: str, *, deadline_s: float) -> None:
        with _named(self.name):
            replicas.ensure(self._folder, workload, deadline_s=deadline_s)

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        with _named(self.name):
            jobs.stop(self._folder, workload, deadline_s=deadline_s, order=order)


class _named:  # noqa: N801 — reads as a function
    """Files that cannot be reached are an actuator's failure, with the site's name."""

    def __init__(self, site: str) -> None:
        self._site = site

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise ActuatorFailed(f"site {self._site}: {error}") from error
