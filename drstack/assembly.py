"""Puts an environment together from its file and its witness: sites behind their descriptors, repositories, needs.

Everything about another site is read from the descriptor that it published on the witness, never from that site.
"""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.actions.declared import own_steps
from drstack.actions.registry import LocalActions
from drstack.automatic.policy import Policy
from drstack.clock import Clock
from drstack.custody.ring import SEEN, listed, open_keys
from drstack.errors import EnvironmentUnknown
from drstack.platforms.registry import declared_repository, open_router, open_site
from drstack.reconcile.project import find_root, local_root
from drstack.recovery.absent import AbsentSite
from drstack.recovery.leases import LeasePolicy
from drstack.recovery.plan import Need
from drstack.recovery.quorum import Quorum
from drstack.recovery.world import World, forgotten
from drstack.spec import find_environment, load_environment, objectives, resolve_url
from drstack.spec.jobs import LocalJob, ServeJob
from drstack.spec.sites import LocalSite
from drstack.spec.standby import standby_slots
from drstack.telemetry.otlp import spans_from
from drstack.unwitnessed import noting, stand_in_for
from drstack.witness.seen import FOLDER, Seen
from drstack.witness.witness import Witness
from replicator.repository.repository import Repository, random_token
from replicator.stores.url import open_store

__all__ = [
    "assemble",
    "load",
    "local_root",
    "needs",
    "open_witness",
    "operator",
    "project_root",
    "repositories_told",
    "served",
]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.recovery.ports import Router, Site
    from drstack.recovery.world import Progress, Reconcile
    from drstack.spec import Environment
    from drstack.unwitnessed import Unwitnessed


WITNESS_S, TARGET_S, OTHERS_S = 15.0, 30.0, 5.0
"""How long a store may take to answer before it is given up: the witness, the target's, other sites' (DESIGN, rule 9)."""


def load(name: str) -> Environment:
    """The environment of this name in the project at hand."""
    return load_environment(find_environment(name, project_root()), name=name)


def project_root() -> Path:
    """The nearest folder upwards that holds a project. EnvironmentUnknown."""
    return find_root(Path.cwd())


def open_witness(environment: Environment, root: Path, clock: Callable[[], float] | None = None) -> Witness:
    store = open_store(resolve_url(environment.witness, root), limit_s=WITNESS_S)
    return Witness(store, environment.environment, clock=clock or time.time, token=random_token)


def assemble(
    environment: Environment, root: Path, target: str | None, *, progress: Progress, reconcile: Reconcile | None = None,
    sleep: Callable[[float], None] = time.sleep, holding: Sequence[Path] = (), keyless: bool = False,
    without: Unwitnessed | None = None,
) -> World:  # fmt: skip
    """The world of an operation whose target is `target` (None: nothing is to be promoted).

    Keys are the operator's, and those of the target, which may read what it restores; `holding` are folders of others.
    `keyless`: without any, to look at the witness alone. `without`: the witness is away, and `target` is promoted all the
    same. KeyAbsent, Untrusted; then also PromotionRefused, NotReady, EnvironmentUnknown, WitnessUnsound.
    """
    clock = Clock()
    seen = Seen(root / FOLDER / environment.environment, without.kit if without is not None else None)
    witness = open_witness(environment, root, clock)
    described = noting(witness, seen) if without is None else seen.descriptor
    mine = described(target) if target is not None else None
    keys = None if keyless else open_keys(environment, root, also=(*holding, *_keys_of(mine)))
    sites: dict[str, Site] = {}
    repositories: dict[str, Repository] = {}
    router: Router | None = None
    for name in environment.sites:
        descriptor = described(name)
        if descriptor is None:
            why = "it has published no descriptor" if without is None else "this machine has never seen its descriptor"
            sites[name] = AbsentSite(name, why)
            continue
        sites[name] = open_site(descriptor)
        router = router or open_router(descriptor)
        store = open_store(str(descriptor["repository"]), limit_s=TARGET_S if name == target else OTHERS_S)
        repositories[name] = Repository(name, store, keys=keys, memory=keys.folder / SEEN if keys else None)
    if without is not None and target is not None:
        witness = stand_in_for(
            witness, environment.workloads, repositories, target, seen, without, clock=clock, by=operator()
        )
    return World(
        environment=environment.environment, witness=witness, sites=sites, repositories=repositories,
        needs=needs(environment, target), clock=clock, correct=clock.correct, sleep=sleep, progress=progress, reconcile=reconcile,
        router=router, serving=served(environment),
        keys=keys, keys_for=lambda site: listed(keys.trust, site) if keys is not None else (),
        standby=lambda site: _standby(environment, site), leases=leases(environment), by=operator(), spans=spans_from(os.environ),
        own=own_steps(environment.steps), actions=LocalActions(project_root),
        quorums=quorums(environment), remember=seen.note_assignment if without is None else forgotten,
    )  # fmt: skip


def repositories_told(
    environment: Environment, root: Path, witness: Witness, told: Sequence[str] = ()
) -> dict[str, Repository]:
    """Every site's repository without its stack: where `told` (SITE=URL) puts it, its descriptor, or the environment file.

    EnvironmentUnknown where none of them does, or `told` names no site. WitnessUnreachable, KeyAbsent, Untrusted.
    """
    keys = open_keys(environment, root)
    memory = keys.folder / SEEN if keys else None
    return {
        name: Repository(name, open_store(url, limit_s=OTHERS_S), keys=keys, memory=memory)
        for name, url in _urls(environment, root, witness, told).items()
    }


def _urls(environment: Environment, root: Path, witness: Witness, told: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in told:
        site, _, url = each.partition("=")
        if site not in environment.sites or not url:
            raise EnvironmentUnknown(
                f"--repo {site}: no site, or no URL",
                hint=f"--repo SITE=URL, with one of the sites {', '.join(environment.sites)}.",
            )
        given[site] = url
    found: dict[str, str] = {}
    for name, site in environment.sites.items():
        described = witness.descriptor(name) if name not in given else None
        url = str(described["repository"]) if described else given.get(name) or declared_repository(name, site, root)
        if url is None:
            raise EnvironmentUnknown(
                f"site {name}: nothing says where its repository is", hint=f"--repo {name}=URL, as its stack says."
            )
        found[name] = url
    return found


def leases(environment: Environment) -> LeasePolicy | None:
    """None where leases are off."""
    declared = environment.leases
    return None if declared is None else LeasePolicy(declared.drift_s, declared.pause_s, time.monotonic)


def operator() -> str:
    """Who is at the keyboard, for the record."""
    try:
        return os.environ.get("DRSTACK_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"uid {os.getuid()}"


def quorums(environment: Environment) -> dict[str, Quorum]:
    """By kind of operation, whose approvals the environment file asks for."""
    return {
        kind: Quorum(each.of, each.at_least, each.expires, each.break_glass)
        for kind, each in environment.approvals.declared().items()
    }


def automatic_policy(environment: Environment) -> Policy:
    """What may be done without a person; nothing where automatic promotion is off."""
    told, leases_ = environment.promotion, environment.leases
    others = [name for name in environment.sites if name != environment.primary]
    return Policy(
        to=told.to or others[0], observers=tuple(dict.fromkeys(told.observers)), after_s=told.after, looks=told.looks,
        period_s=told.once_in, repair=told.repair, attempts=told.attempts,
        lease_margin_s=leases_.drift_s + leases_.pause_s if leases_ is not None else 0.0,
        automatic=told.automatic and leases_ is not None,
    )  # fmt: skip


def _standby(environment: Environment, site: str) -> int | None:
    declared = environment.sites.get(site)
    return standby_slots(environment, site, "standby") if isinstance(declared, LocalSite) else None


def _keys_of(descriptor: Mapping[str, object] | None) -> tuple[Path, ...]:
    """The folder of a site's keys, if it says where and it is within reach here."""
    told = descriptor.get("keys") if descriptor is not None else None
    return (Path(told),) if isinstance(told, str) and Path(told).is_dir() else ()


def needs(environment: Environment, target: str | None) -> dict[str, Need]:
    """What each workload that writes needs, as the environment file says."""
    found: dict[str, Need] = {}
    for name, workload in environment.workloads.items():
        if name in served(environment):
            continue
        goal = objectives(workload)
        near = environment.replication.near.get(target or environment.primary)
        confirmed = environment.replication.acknowledgement(name, goal.rpo_s) == "near" and near is not None
        job = workload.job
        found[name] = Need(
            rpo_s=goal.rpo_s, rto_s=goal.rto_s, demanded=environment.replication.demanded(workload.class_),
            ranks=job.ranks if isinstance(job, LocalJob) else 1, acknowledge=(near,) if confirmed and near else (),
            after=workload.after,
            leased=environment.leases is not None and isinstance(job, LocalJob),
        )  # fmt: skip
    return found


def served(environment: Environment) -> tuple[str, ...]:
    """Workloads that answer requests and write nothing: a router moves them, no log."""
    return tuple(name for name, workload in environment.workloads.items() if isinstance(workload.job, ServeJob))
