"""One site of an environment, assembled from its file.

Decides the order: the store is brought up to the assignment before replicator, nodes and jobs start (DESIGN, rule 3),
and the descriptor is published when all of them are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from drstack.components.checkpoint_store import CheckpointStore, CheckpointStoreArgs
from drstack.components.gpu_cluster import ClusterJob, ClusterReplicas, GpuCluster, GpuClusterArgs
from drstack.components.local import resources
from drstack.components.plan import local
from drstack.components.replicator_service import ReplicatorService, ReplicatorServiceArgs
from drstack.components.traffic import Traffic, TrafficArgs
from drstack.spec.standby import standby_slots

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.components.environment import Environment
    from drstack.spec.environment import Environment as Declared


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
        place, platform = local.place(declared, site, args.root), local.local_site(declared, site)
        witness = local.witness_url(declared, args.root)
        roles = args.environment.roles(site)
        ground = resources.LocalSite(
            name,
            folder=str(place.folder),
            environment=declared.environment,
            environment_id=args.environment.environment_id,
            site=site,
            owner=args.owner,
            on_destroy=platform.on_destroy,
            opts=pulumi.ResourceOptions(parent=self),
        )
        workloads = tuple(local.replicated(declared))
        store = CheckpointStore(
            name,
            CheckpointStoreArgs(place, witness, declared.environment, workloads),
            pulumi.ResourceOptions(parent=self, depends_on=[ground]),
        )
        after_store = pulumi.ResourceOptions(parent=self, depends_on=[store])
        service = ReplicatorService(
            name,
            ReplicatorServiceArgs(
                place, local.replicator_config(declared, site, args.root), local.prover_config(declared)
            ),
            after_store,
        )
        full, standby = (standby_slots(declared, site, role) for role in ("primary", "standby"))
        cluster = GpuCluster(
            name,
            GpuClusterArgs(
                place=place,
                minimum=0,
                maximum=platform.slots,
                initial=roles.apply(lambda found: local.initial_slots(found, full, standby)),
                devices=platform.devices,
                python=platform.python,
                jobs=_jobs(declared, roles, args.project),
                replicas=_replicas(declared, roles, full, standby, args.project),
            ),
            after_store,
        )
        described: list[pulumi.Resource] = [service, cluster]
        self.urls = pulumi.Output.from_input(dict[str, str]())
        if served := tuple(local.served(declared)):
            router = local.router_folder(declared, args.root)
            traffic = Traffic(
                name,
                TrafficArgs(place, router, served, witness, declared.environment),
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


def _jobs(declared: Declared, roles: pulumi.Output[dict[str, str]], project: Path) -> dict[str, ClusterJob]:
    return {
        workload: ClusterJob(
            job=job,
            checkpoints=local.checkpoints_path(declared.workloads[workload]),
            initially_running=roles.apply(lambda found, name=workload: local.initially_running(found[name])),
        )
        for workload, job in local.local_jobs(declared, project).items()
    }


def _replicas(
    declared: Declared, roles: pulumi.Output[dict[str, str]], full: int, standby: int, project: Path
) -> dict[str, ClusterReplicas]:
    return {
        workload: ClusterReplicas(
            served=each,
            initially_running=roles.apply(
                lambda found, count=each.job.replicas: local.initially_serving(found, full, standby, count)
            ),
        )
        for workload, each in local.served(declared, project).items()
    }
