"""One site of an environment, assembled from its file.

Decides the order: the store is brought up to the assignment before replicator, nodes and jobs start (DESIGN, rule 3),
and the descriptor is published when all of them are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

import pulumi

from drstack.components.checkpoint_store import CheckpointStore, CheckpointStoreArgs
from drstack.components.environment import AssignedWorkload, Environment, EnvironmentArgs
from drstack.components.gpu_cluster import ClusterJob, ClusterReplicas, GpuCluster
from drstack.components.local import resources
from drstack.components.plan import local
from drstack.components.replicator_service import (
    Admission,
    Drill,
    Holding,
    Proving,
    ReplicatorService,
    ReplicatorServiceArgs,
    Retention,
    Scrub,
    WatchedWorkload,
)
from drstack.components.traffic import Traffic
from drstack.spec.objectives import objectives
from drstack.spec.standby import standby_slots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.spec.environment import Environment as Declared


class _Verified(TypedDict):
    scrub: NotRequired[Scrub]
    drill: NotRequired[Drill]


@dataclass(frozen=True, slots=True)
class SiteArgs:
    declared: Declared
    site: str
    root: Path
    project: Path
    """Folder where jobs find the project's own Python modules."""
    owner: str
    """Organization, project and stack."""
    environment: Environment


class Site(pulumi.ComponentResource):
    repository: pulumi.Output[str]
    roles: pulumi.Output[dict[str, str]]
    urls: pulumi.Output[dict[str, str]]
    """Per workload that it serves, where clients send their requests."""

    def __init__(self, name: str, args: SiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:Site", name, {}, opts)
        declared, site = args.declared, args.site
        platform, folder = local.local_site(declared, site), str(local.place(declared, site, args.root).folder)
        witness = local.witness_url(declared, args.root)
        roles = args.environment.roles.apply(lambda every: every[site])
        ground = resources.LocalSite(
            name,
            folder=folder,
            environment=declared.environment,
            environment_id=args.environment.environment_id,
            site=site,
            owner=args.owner,
            on_destroy=platform.on_destroy,
            opts=pulumi.ResourceOptions(parent=self),
        )
        kept: CheckpointStoreArgs = {
            "folder": folder,
            "witness": witness,
            "environment": declared.environment,
            "workloads": tuple(local.replicated(declared)),
        }
        if (operators := local.keys_folder(declared, args.root)) is not None:
            kept["keys"] = operators
        store = CheckpointStore(
            name,
            kept,
            pulumi.ResourceOptions(parent=self, depends_on=[ground]),
        )
        after_store = pulumi.ResourceOptions(parent=self, depends_on=[store])
        service = ReplicatorService(name, _service(declared, site, args), after_store)
        cluster = GpuCluster(
            name,
            {
                "folder": folder,
                "roles": roles,
                "slots": standby_slots(declared, site, "primary"),
                "standby_slots": standby_slots(declared, site, "standby"),
                "devices": platform.devices,
                "python": platform.python,
                "jobs": _jobs(declared, args.project),
                "replicas": _replicas(declared, args.project),
            },
            after_store,
        )
        described: list[pulumi.Resource] = [service, cluster]
        self.urls = pulumi.Output.from_input(dict[str, str]())
        if served := tuple(local.served(declared)):
            traffic = Traffic(
                name,
                {
                    "folder": folder,
                    "site": site,
                    "router": str(local.router_folder(declared, args.root)),
                    "workloads": served,
                    "witness": witness,
                    "environment": declared.environment,
                },
                pulumi.ResourceOptions(parent=self, depends_on=[cluster]),
            )
            described.append(traffic)
            self.urls = traffic.urls
        resources.SiteDescriptor(
            name,
            witness=witness,
            environment=declared.environment,
            site=site,
            descriptor=args.environment.environment_id.apply(
                lambda known: {**local.descriptor(declared, site, args.root, args.owner), "environment_id": known}
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=described),
        )
        self.repository, self.roles = store.url, roles
        self.register_outputs({"repository": self.repository, "roles": self.roles})


def declared_environment(
    declared: Declared, root: Path, sites: Sequence[str], opts: pulumi.ResourceOptions | None = None
) -> Environment:
    """The component of a whole environment, of which this stack owns `sites`. EnvironmentUnknown if one is not there."""
    for site in sites:
        local.local_site(declared, site)
    told: EnvironmentArgs = {
        "environment": declared.environment,
        "witness": local.witness_url(declared, root),
        "primary": declared.primary,
        "workloads": {name: AssignedWorkload(**each) for name, each in local.assigned_workloads(declared).items()},
        "repositories": [{"site": site, "url": each.repository} for site, each in local.places(declared, root).items()],
        "sites": sites,
    }
    if (keys := local.keys_folder(declared, root)) is not None:
        told["keys"] = keys
    return Environment(declared.environment, told, opts)


def _service(declared: Declared, site: str, args: SiteArgs) -> ReplicatorServiceArgs:
    root, project = args.root, args.project
    told: ReplicatorServiceArgs = {
        "folder": str(local.place(declared, site, root).folder),
        "site": site,
        "destinations": [
            {"name": each.site, "url": each.repository} for each in local.destinations(declared, site, root)
        ],
        "workloads": _watched(declared, site, project),
        "anchor": {"url": local.witness_url(declared, root), "environment": declared.environment},
        **_verified(declared),
        "prover": _proving(declared),
        "holder": _holding(declared, root),
    }
    if (keys := local.site_keys_folder(declared, site, root)) is not None:
        told["keys"] = keys
    return told


def _watched(declared: Declared, site: str, project: Path) -> list[WatchedWorkload]:
    kept, own = _kept(declared), local.local_site(declared, site).python is None
    jobs = local.local_jobs(declared)
    return [
        {
            "name": name,
            "checkpoints": local.checkpoints_path(workload),
            "keep": kept,
            "admission": cast("Admission", local.admission(workload)),
            "rpo_s": objectives(workload).rpo_s,
            "receipts": local.receipts(declared, workload),
            "code": str(project),
            "trains_here": own and name in jobs,
        }
        for name, workload in local.replicated(declared).items()
    ]


def _kept(declared: Declared) -> Retention:
    told = declared.replication.keep.policy()
    return {"last": told} if isinstance(told, int) else cast("Retention", told)


def _verified(declared: Declared) -> _Verified:
    return cast("_Verified", local.verification(declared))


def _proving(declared: Declared) -> Proving | None:
    told = local.prover_config(declared)
    return None if told is None else Proving(**told)


def _holding(declared: Declared, root: Path) -> Holding | None:
    told = local.holder_config(declared, root)
    return None if told is None else Holding(**told)


def _jobs(declared: Declared, project: Path) -> dict[str, ClusterJob]:
    return {
        workload: {
            "module": job.train,
            "command": job.command or (),
            "args": job.args,
            "env": job.env,
            "ranks": job.ranks,
            "checkpoints": local.checkpoints_path(declared.workloads[workload]),
        }
        for workload, job in local.local_jobs(declared, project).items()
    }


def _replicas(declared: Declared, project: Path) -> dict[str, ClusterReplicas]:
    return {
        workload: {
            "module": each.job.serve,
            "args": each.job.args,
            "env": each.job.env,
            "replicas": each.job.replicas,
            "serves": each.model,
            "receipts": each.receipts,
        }
        for workload, each in local.served(declared, project).items()
    }
