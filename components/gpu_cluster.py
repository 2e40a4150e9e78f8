"""The GPU nodes of a site and the jobs that run on them.

Invariant: bounds and definitions are Pulumi's; how many nodes run, and whether a job does, is set here only when they
are made (DESIGN, rule 10).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi

from drstack.components.local import resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.components.plan.local import LocalPlace, Served
    from drstack.spec.jobs import LocalJob


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """One workload's job. `initially_running` None: not known, as the site's role is not."""

    job: LocalJob
    checkpoints: str
    """Folder, relative to the site's."""
    initially_running: pulumi.Input[bool | None]


@dataclass(frozen=True, slots=True)
class ClusterReplicas:
    """One workload's replicas. `initially_running` as of a job."""

    served: Served
    initially_running: pulumi.Input[bool | None]


@dataclass(frozen=True, slots=True)
class GpuClusterArgs:
    place: LocalPlace
    minimum: pulumi.Input[int]
    maximum: pulumi.Input[int]
    initial: pulumi.Input[int | None]
    devices: pulumi.Input[str] = "cpu"
    python: pulumi.Input[str | None] = None
    """Interpreter of the jobs; None leaves it as it was when the site was made."""
    jobs: Mapping[str, ClusterJob] = field(default_factory=dict[str, ClusterJob])
    replicas: Mapping[str, ClusterReplicas] = field(default_factory=dict[str, ClusterReplicas])


class GpuCluster(pulumi.ComponentResource):
    nodes: pulumi.Output[int]
    """The most that there can be."""

    def __init__(self, name: str, args: GpuClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("drstack:components:GpuCluster", name, {}, opts)
        folder = str(args.place.folder)
        pool = resources.WorkerPool(
            name,
            folder=folder,
            min_slots=args.minimum,
            max_slots=args.maximum,
            initial_slots=args.initial,
            devices=args.devices,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for workload, each in args.jobs.items():
            resources.Job(
                f"{name}-{workload}",
                folder=folder,
                workload=workload,
                module=each.job.train,
                command=each.job.command or (),
                args=each.job.args,
                ranks=each.job.ranks,
                env=each.job.env,
                checkpoints=each.checkpoints,
                initially_running=each.initially_running,
                python=args.python,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[pool]),
            )
        for workload, each in args.replicas.items():
            job = each.served.job
            resources.Job(
                f"{name}-{workload}",
                folder=folder,
                workload=workload,
                module=job.serve,
                command=(),
                args=job.args,
                ranks=job.replicas,
                env=job.env,
                checkpoints=f"serving/{workload}",
                initially_running=each.initially_running,
                serves=each.served.model,
                receipts=each.served.receipts,
                python=args.python,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[pool]),
            )
        self.nodes = pulumi.Output.from_input(args.maximum)
        self.register_outputs({"nodes": self.nodes})
