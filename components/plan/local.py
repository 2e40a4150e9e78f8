"""Where the local sites of an environment lie, what their replicators are told and what they publish.

Pure. Invariant: every stack of an environment computes the same places, so that sites find each other without talking.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NotRequired, TypedDict, TypeVar, cast

from drstack.errors import EnvironmentUnknown
from drstack.spec import keys as spec_keys
from drstack.spec.jobs import LocalJob, ServeJob
from drstack.spec.objectives import objectives
from drstack.spec.sites import LocalSite
from drstack.spec.urls import resolve_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from drstack.spec.environment import Environment
    from drstack.spec.workloads import Workload

JobT = TypeVar("JobT", LocalJob, ServeJob)


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A local site's folder, and the URL of its repository."""

    site: str
    folder: Path
    repository: str


def local_site(environment: Environment, site: str) -> LocalSite:
    """EnvironmentUnknown if there is no such site, or none that is local."""
    declared = environment.sites.get(site)
    if isinstance(declared, LocalSite):
        return declared
    problem = f"has no site {site!r}" if declared is None else f"has site {site} on {declared.platform}"
    raise EnvironmentUnknown(
        f"environment {environment.environment} {problem}; local ones can be made here",
        hint=f"Its sites are: {', '.join(environment.sites)}.",
    )


def place(environment: Environment, site: str, root: Path) -> LocalPlace:
    """`root` is absolute; a site's folder may be too."""
    folder = root / local_site(environment, site).folder
    return LocalPlace(site, folder, (folder / "store").as_uri())


def places(environment: Environment, root: Path) -> dict[str, LocalPlace]:
    return {site: place(environment, site, root) for site in environment.sites}


def witness_url(environment: Environment, root: Path) -> str:
    return resolve_url(environment.witness, root)


def replicated(environment: Environment) -> dict[str, Workload]:
    """Workloads whose files replication carries."""
    return {name: each for name, each in environment.workloads.items() if each.checkpoints is not None}


def checkpoints_path(workload: Workload) -> str:
    """Relative to the site's folder."""
    if workload.checkpoints is None:
        raise EnvironmentUnknown("a workload without checkpoints has no folder")
    return workload.checkpoints.path


def local_jobs(environment: Environment, project: Path | None = None) -> dict[str, LocalJob]:
    """Jobs that a local site can run, of workloads that are replicated; modules are found in `project` too."""
    jobs = {
        name: _waiting(job) if acknowledged_near(environment, name) else job
        for name, each in replicated(environment).items()
        if isinstance(job := each.job, LocalJob)
    }
    return {name: _at_home(job, project) if project else job for name, job in jobs.items()}


def acknowledged_near(environment: Environment, workload: str) -> bool:
    """Whether saves of a workload wait for the near site."""
    return (
        environment.replication.acknowledgement(workload, objectives(environment.workloads[workload]).rpo_s) == "near"
    )


def _waiting(job: LocalJob) -> LocalJob:
    """The trainer is told by its launcher which replicator says that a save is acknowledged."""
    return job.model_copy(update={"env": {**job.env, "DRSTACK_ACKNOWLEDGE": "near"}})


def _at_home(job: JobT, project: Path) -> JobT:
    """A job's own PYTHONPATH stands."""
    return job.model_copy(update={"env": {"PYTHONPATH": str(project), **job.env}})


@dataclass(frozen=True, slots=True)
class Served:
    """A workload that local sites serve: its job, the workload whose checkpoints it loads, and what they must have."""

    job: ServeJob
    model: str
    receipts: tuple[str, ...]


def served(environment: Environment, project: Path | None = None) -> dict[str, Served]:
    """Workloads that replicas at local sites serve; their modules are found in `project` too."""
    found: dict[str, Served] = {}
    for name, each in environment.workloads.items():
        if isinstance(each.job, ServeJob) and each.serves is not None:
            demanded = environment.replication.demanded(environment.workloads[each.serves].class_)
            job = _at_home(each.job, project) if project else each.job
            found[name] = Served(job, each.serves, tuple(demanded))
    return found


def serving_weights(environment: Environment) -> dict[str, int]:
    """Each site's share of the requests at first, in percent: all sites alike if all are active, else the primary."""
    if environment.strategy != "active-active":
        return {site: 100 if site == environment.primary else 0 for site in environment.sites}
    share, rest = divmod(100, len(environment.sites))
    return {site: share + (rest if site == environment.primary else 0) for site in environment.sites}


def router_folder(environment: Environment, root: Path) -> Path:
    """Outside all sites: it must outlive each of them."""
    return root / "routers" / environment.environment


class Assigned(TypedDict):
    """What the first assignment says of a workload."""

    writer: str
    acknowledge: list[str]
    serves: NotRequired[dict[str, int]]


def assigned_workloads(environment: Environment) -> dict[str, Assigned]:
    """Per workload, the site that writes first and those that acknowledge, as the environment resource takes them."""
    near = environment.replication.near.get(environment.primary)
    found: dict[str, Assigned] = {}
    for name in replicated(environment):
        acknowledge = [near] if near and acknowledged_near(environment, name) else []
        found[name] = {"writer": environment.primary, "acknowledge": acknowledge}
    for name in served(environment):
        found[name] = {"writer": environment.primary, "acknowledge": [], "serves": serving_weights(environment)}
    return found


def destinations(environment: Environment, site: str, root: Path) -> list[LocalPlace]:
    """The places to ship to and to verify: the own one first, then the others in order."""
    every = places(environment, root)
    return [every[site], *(other for name, other in every.items() if name != site)]


def admission(workload: Workload) -> dict[str, object]:
    """What the file declares of how the workload's checkpoints are judged; empty where it declares nothing."""
    declared = workload.checkpoints.admission if workload.checkpoints else None
    return declared.model_dump(mode="json", exclude_defaults=True) if declared else {}


def receipts(environment: Environment, workload: Workload) -> list[str]:
    """What acknowledges a checkpoint is what makes it a recovery point, but for its proof, which takes a resume."""
    demanded = environment.replication.demanded(workload.class_)
    return [level for level in demanded if level != "proved"] or ["stored"]


def keys_folder(environment: Environment, root: Path) -> str | None:
    """The operator's keys: outside all sites, whose loss they must outlive. None where nothing is encrypted."""
    folder = spec_keys.keys_folder(environment, root)
    return None if folder is None else str(folder)


def site_keys_folder(environment: Environment, site: str, root: Path) -> str | None:
    """What keys the site holds itself."""
    return str(place(environment, site, root).folder / "keys") if environment.replication.encrypted else None


def verification(environment: Environment) -> dict[str, dict[str, object]]:
    """What a site's replicator is told of `replication.verify`: `scrub` and `drill`, where they are wanted."""
    wanted = environment.replication.verify
    found: dict[str, dict[str, object]] = {}
    if wanted.scrub > 0:
        found["scrub"] = {"every_s": wanted.scrub, "bytes_per_s": wanted.rate / 8, "repair": wanted.repair}
    if wanted.drill > 0:
        found["drill"] = {"every_s": wanted.drill}
    return found


def replicator_config(
    site: str,
    folder: str,
    destinations: Sequence[Mapping[str, str]],
    workloads: Sequence[Mapping[str, object]],
    told: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """`replicator.service.config.ServiceConfig` of a site in `folder`; each workload's `checkpoints` is below that.

    `told`: further fields of it, as they are: `keys`, `anchor`, `scrub`, `drill`.
    """
    here = PurePosixPath(folder)
    return {
        "site": site,
        "own": site,
        "destinations": [{"name": each["name"], "url": each["url"]} for each in destinations],
        "workloads": [
            {"name": each["name"], "path": str(here / str(each["checkpoints"])), "keep": _kept(each["keep"])}
            | {
                told: each[told]
                for told in ("admission", "rpo_s", "receipts", "code", "trains_here")
                if each.get(told) not in (None, {})
            }
            for each in workloads
        ],
        "spool": str(here / "spool"),
        "status_file": str(here / "run" / "replicator-status.json"),
        **(told or {}),
    }


def _kept(keep: object) -> object:
    """A plain number where the newest are kept and nothing else is said, as services were always told."""
    told = {name: value for name, value in cast("Mapping[str, object]", keep).items() if value is not None}
    return told["last"] if told.keys() == {"last"} else told


class Proving(TypedDict):
    """`drstack.platforms.local.prover.ProverConfig`."""

    workloads: list[str]
    every_s: float
    steps: int
    timeout_s: float


def prover_config(environment: Environment) -> Proving | None:
    """None where nothing is to be proved."""
    wanted, jobs = environment.replication.prove, local_jobs(environment)
    proved = [name for name in jobs if environment.workloads[name].class_ == "training"]
    if wanted is None or not proved:
        return None
    return {"workloads": proved, "every_s": wanted.every, "steps": wanted.steps, "timeout_s": wanted.timeout}


class Holding(TypedDict):
    """`drstack.platforms.local.lease.HolderConfig`."""

    witness: str
    environment: str
    ttl_s: float
    renew_s: float
    pause_s: float
    workloads: list[str]


def holder_config(environment: Environment, root: Path) -> Holding | None:
    """None where leases are off, or nothing trains."""
    leases, jobs = environment.leases, local_jobs(environment)
    if leases is None or not jobs:
        return None
    return {
        "witness": witness_url(environment, root), "environment": environment.environment, "ttl_s": leases.ttl,
        "renew_s": leases.renew_s, "pause_s": leases.pause_s, "workloads": list(jobs),
    }  # fmt: skip


def descriptor(environment: Environment, site: str, root: Path, owner: str) -> dict[str, object]:
    """What the site publishes (drstack.platforms.local.descriptor), but for the environment's id."""
    here, declared = place(environment, site, root), local_site(environment, site)
    jobs, keys = local_jobs(environment), site_keys_folder(environment, site, root)
    return {
        "version": 1,
        "platform": "local",
        "environment": environment.environment,
        "site": site,
        "owner": owner,
        "folder": str(here.folder),
        "repository": here.repository,
        **({} if keys is None else {"keys": keys}),
        "capacity": {"minimum": 0, "maximum": declared.slots},
        "workloads": {
            name: {
                "checkpoints": str(here.folder / checkpoints_path(workload)),
                "metrics": str(here.folder / "metrics" / f"{name}.jsonl"),
                "ranks": jobs[name].ranks if name in jobs else 0,
            }
            for name, workload in replicated(environment).items()
        },
        "serving": {
            name: {"model": each.model, "replicas": each.job.replicas} for name, each in served(environment).items()
        },
        "router": str(router_folder(environment, root)) if served(environment) else None,
    }


def initial_slots(roles: Mapping[str, str], full: int, standby: int) -> int | None:
    """Slots of a pool that is made now: all where the site writes anything; None where its role is not known."""
    if "writer" in roles.values():
        return full
    return None if "unknown" in roles.values() else standby


def initially_running(role: str) -> bool | None:
    return None if role == "unknown" else role == "writer"


def initially_serving(roles: Mapping[str, str], full: int, standby: int, replicas: int) -> bool | None:
    """Whether replicas run at a site that is made now: where its slots take them. None where its role is not known."""
    slots = initial_slots(roles, full, standby)
    return None if slots is None else replicas <= slots
