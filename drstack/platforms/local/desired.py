"""What should run at a local site now: the values that assignments and actuators own (DESIGN, rule 10).

Pulumi writes them once, when the pool or job is made. Invariant: a start of a job is one generation with one token;
what it runs was copied from the definition when it was asked for, so that a later definition changes nothing running.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from drstack.errors import ActuatorFailed, FencedSince
from drstack.platforms.local.atomic import locked, read_json, write_json
from drstack.recovery.operation import parse as parse_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from drstack.platforms.local.folder import SiteFolder

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Serving:
    """What replicas load: checkpoints of the workload `model` that have these receipts, from the site's repository."""

    model: str
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What each rank runs: a module with `--checkpoints` and `--metrics`, or a command. `checkpoints` is relative.

    With `serving`, ranks are replicas: each answers requests on a port of its own, and restarts alone.
    """

    module: str | None
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    checkpoints: str
    python: str | None = None
    """Interpreter of the module, and of a command that begins with `python`; None: the slot's own."""
    serving: Serving | None = None


@dataclass(frozen=True, slots=True)
class DesiredJob:
    running: bool
    generation: int
    token: str
    exact: bool
    """Whether to resume exactly `resume_step` (None: from nothing) rather than the newest checkpoint."""
    resume_step: int | None
    ranks: int
    slots: tuple[int, ...]
    """The slot of each rank."""
    port: int
    rdzv_id: str
    metrics_offset: int
    """Size of the metrics file when this start was asked for: its events lie behind."""
    program: Program


@dataclass(frozen=True, slots=True)
class Desired:
    slots: int
    fenced: str | None = None
    """Why nothing may run here until the site is taken back as a standby."""
    jobs: Mapping[str, DesiredJob] = field(default_factory=dict[str, DesiredJob])
    barred: Mapping[str, str] = field(default_factory=dict[str, str])
    """By workload, `*` for all of the site, the order of the latest fence: what was told to start before it comes too late."""

    def bar(self, order: str | None, workloads: Collection[str] | None = None) -> Desired:
        """The same, refusing starts of these workloads, or all, that are earlier than `order`."""
        names = [_ALL] if workloads is None else workloads
        later = {n: order for n in names if order is not None and parse_order(order) > self._bar_of(n)}
        return replace(self, barred={**self.barred, **later}) if later else self

    def require_admitted(self, order: str | None, site: object, workload: str = "") -> None:
        """FencedSince where a later fence came before who was told to act at `order`."""
        for name, what in ((_ALL, f"{site}"), (workload, f"{workload} at {site}")):
            if order is not None and self._bar_of(name) > parse_order(order):
                raise FencedSince(self.barred[name], what)

    def _bar_of(self, name: str) -> tuple[int, int]:
        return parse_order(self.barred[name]) if name in self.barred else (0, 0)

    def with_job(self, workload: str, job: DesiredJob) -> Desired:
        return replace(self, jobs={**self.jobs, workload: job})

    def stopped(self, workloads: Collection[str] | None = None) -> Desired:
        """The same with no job running, or none of these workloads."""
        jobs = {
            name: replace(job, running=job.running and workloads is not None and name not in workloads)
            for name, job in self.jobs.items()
        }
        return replace(self, jobs=jobs)

    def taken_back(self, writes: Collection[str], standby_slots: int) -> Desired:
        """What may run at a site that was down or fenced: what it writes, or as a standby that many slots.

        Replicas write nothing: they run again where slots are left for them; whom they answer is the router's.
        """
        slots = self.slots if any(name in writes for name in self.jobs) else standby_slots
        trains = {name: job for name, job in self.jobs.items() if job.program.serving is None}
        jobs = {n: job if n in writes else replace(job, running=False) for n, job in trains.items()}
        back = replace(self, slots=slots, fenced=None, jobs=jobs)
        for name, job in sorted(self.jobs.items()):
            if job.program.serving is not None:
                free = back.free_slots(job.ranks, name)
                back = back.with_job(name, replace(job, running=free is not None, slots=free or job.slots))
        return back

    def assigned(self, slot: int) -> tuple[str, DesiredJob, int] | None:
        """(workload, job, rank) that the slot is to run."""
        for workload, job in sorted(self.jobs.items()) if self.fenced is None else ():
            if job.running and slot in job.slots and slot < self.slots:
                return workload, job, job.slots.index(slot)
        return None

    def free_slots(self, ranks: int, but: str, prefer: Collection[int] = ()) -> tuple[int, ...] | None:
        """The lowest slots for `ranks` that no job other than `but` runs on, first of those to `prefer`; None: too few."""
        taken = {slot for name, job in self.jobs.items() if job.running and name != but for slot in job.slots}
        free = sorted(
            (slot for slot in range(self.slots) if slot not in taken), key=lambda slot: (slot not in prefer, slot)
        )
        return tuple(sorted(free[:ranks])) if len(free) >= ranks else None


def read_desired(folder: SiteFolder) -> Desired | None:
    """None where no pool was made yet. ActuatorFailed if the file cannot be read."""
    body = read_json(folder.desired)
    return None if body is None else parse(body, str(folder.desired))


def parse(body: Mapping[str, Any], where: str) -> Desired:
    try:
        jobs = {str(name): _job(job) for name, job in body["jobs"].items()}
        barred = {str(name): str(order) for name, order in body.get("barred", {}).items()}
        for order in barred.values():
            parse_order(order)
        return Desired(int(body["slots"]), cast("str | None", body["fenced"]), jobs, barred)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ActuatorFailed(f"{where}: not the desired state of a pool ({error!r})") from error


def _job(body: Mapping[str, Any]) -> DesiredJob:
    fields = {name: value for name, value in body.items() if name not in ("slots", "program")}
    return DesiredJob(slots=tuple(body["slots"]), program=parse_program(body["program"]), **fields)


def parse_program(body: Mapping[str, Any]) -> Program:
    return Program(
        module=body["module"],
        command=tuple(body["command"]),
        args=tuple(body["args"]),
        env=dict(body["env"]),
        checkpoints=body["checkpoints"],
        python=body.get("python"),
        serving=_serving(body.get("serving")),
    )


def _serving(body: Mapping[str, Any] | None) -> Serving | None:
    return None if body is None else Serving(str(body["model"]), tuple(body["receipts"]))


def change(folder: SiteFolder, decide: Callable[[Desired | None], Desired]) -> Desired:
    """Replace the desired state by what `decide` makes of it, against all other writers. It may raise to refuse."""
    with locked(folder.desired):
        before = read_desired(folder)
        after = decide(before)
        if after != before:
            write_json(folder.desired, cast("Mapping[str, object]", asdict(after)))
        return after


def told_otherwise(folder: SiteFolder, site: str, found: Desired | None) -> str | None:
    """Why who took the site as it was (`found`) for idle has to leave it; None while nothing changed."""
    try:
        now = read_desired(folder)
    except (ActuatorFailed, OSError) as error:
        return str(error)
    if now is None:
        return f"site {site} has no worker pool"
    if now.fenced is not None:
        return f"site {site} is fenced: {now.fenced}"
    return None if now == found else f"site {site} was told to run something else"
