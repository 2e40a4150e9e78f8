"""The GPU nodes of a site and the jobs that run on them.

Decides, by the site's roles, how many nodes run and what runs on them when they are made. Invariant: bounds and
definitions are Pulumi's; what runs is an assignment's from then on (DESIGN, rule 10).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

from drstack.components.local import resources
from drstack.components.plan import local
from drstack.components.token import known_as, token


class ClusterJob(TypedDict):
    """A workload's training job: a module or a command."""

    module: NotRequired[pulumi.Input[str | None]]
    """Python module that each rank starts as torchrun would."""
    command: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Program and arguments, in place of a module; started once for each rank."""
    args: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Arguments after the module or command."""
    env: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Environment variables; PYTHONPATH says where the module is found."""
    ranks: pulumi.Input[int]
    """How many ranks; each takes one node."""
    checkpoints: pulumi.Input[str]
    """Folder below which it writes checkpoints, relative to the site's."""


class ClusterReplicas(TypedDict):
    """A workload's replicas, which answer requests."""

    module: pulumi.Input[str]
    """Python module that answers requests."""
    args: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Arguments after those that every replica gets."""
    env: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Environment variables; PYTHONPATH says where the module is found."""
    replicas: pulumi.Input[int]
    """How many replicas; each takes one node."""
    serves: pulumi.Input[str]
    """The workload whose checkpoints they load."""
    receipts: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Levels of receipts that a checkpoint must have before it is loaded."""


class GpuClusterArgs(TypedDict):
    folder: pulumi.Input[str]
    """Folder of the site, absolute."""
    roles: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """What the site is for each workload, as the component Environment reads it; never from config."""
    slots: pulumi.Input[int]
    """The most nodes that there can be; all of them run where the site writes when they are made."""
    standby_slots: pulumi.Input[int]
    """How many run where the site is a standby when they are made."""
    minimum: NotRequired[pulumi.Input[int]]
    """The fewest that there can be; 0 if it is left out."""
    devices: NotRequired[pulumi.Input[str]]
    """`cpu`, or `auto`: GPUs where there are any; `cpu` if it is left out."""
    python: NotRequired[pulumi.Input[str | None]]
    """Interpreter of the jobs; as when the site was made if it is left out."""
    jobs: NotRequired[Mapping[str, pulumi.Input[ClusterJob]]]
    """By workload."""
    replicas: NotRequired[Mapping[str, pulumi.Input[ClusterReplicas]]]
    """By workload."""


class GpuCluster(pulumi.ComponentResource):
    """The GPU nodes of a site and the jobs that run on them."""

    nodes: pulumi.Output[int]
    """The most that there can be."""

    def __init__(self, name: str, args: GpuClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("GpuCluster"), name, {}, known_as("GpuCluster", opts))
        self._name, self._args = name, args
        sizes = pulumi.Output.all(roles=args["roles"], full=args["slots"], standby=args["standby_slots"])
        pool = resources.WorkerPool(
            name,
            folder=args["folder"],
            min_slots=args.get("minimum", 0),
            max_slots=args["slots"],
            initial_slots=sizes.apply(_initial_slots),
            devices=args.get("devices", "cpu"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        below = pulumi.ResourceOptions(parent=self, depends_on=[pool])
        for workload, job in args.get("jobs", {}).items():
            self._job(workload, job, below)
        for workload, replicas in args.get("replicas", {}).items():
            self._replicas(workload, replicas, sizes, below)
        self.nodes = pulumi.Output.from_input(args["slots"]).apply(int)
        self.register_outputs({"nodes": self.nodes})

    def _job(self, workload: str, job: pulumi.Input[ClusterJob], below: pulumi.ResourceOptions) -> None:
        given, roles = pulumi.Output.from_input(job), pulumi.Output.from_input(self._args["roles"])
        resources.Job(
            f"{self._name}-{workload}",
            folder=self._args["folder"],
            workload=workload,
            module=_part(given, "module", None),
            command=_part(given, "command", ()),
            args=_part(given, "args", ()),
            ranks=_part(given, "ranks", None),
            env=_part(given, "env", {}),
            checkpoints=_part(given, "checkpoints", None),
            initially_running=roles.apply(lambda found: local.initially_running(str(found.get(workload, "unknown")))),
            python=self._args.get("python"),
            opts=below,
        )

    def _replicas(
        self,
        workload: str,
        replicas: pulumi.Input[ClusterReplicas],
        sizes: pulumi.Output[dict[str, Any]],
        below: pulumi.ResourceOptions,
    ) -> None:
        given = pulumi.Output.from_input(replicas)
        resources.Job(
            f"{self._name}-{workload}",
            folder=self._args["folder"],
            workload=workload,
            module=_part(given, "module", None),
            command=(),
            args=_part(given, "args", ()),
            ranks=_part(given, "replicas", None),
            env=_part(given, "env", {}),
            checkpoints=f"serving/{workload}",
            initially_running=pulumi.Output.all(sizes, _part(given, "replicas", None)).apply(_initially_serving),
            serves=_part(given, "serves", None),
            receipts=_part(given, "receipts", ()),
            python=self._args.get("python"),
            opts=below,
        )


def _part(given: pulumi.Output[Any], name: str, otherwise: object) -> pulumi.Output[Any]:
    return given.apply(lambda known: known.get(name, otherwise))


def _initial_slots(sizes: dict[str, Any]) -> int | None:
    return local.initial_slots(sizes["roles"], sizes["full"], sizes["standby"])


def _initially_serving(found: list[Any]) -> bool | None:
    sizes, replicas = found
    return local.initially_serving(sizes["roles"], sizes["full"], sizes["standby"], replicas)
