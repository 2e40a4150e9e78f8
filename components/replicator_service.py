"""The service that carries a site's checkpoints to the others and verifies what arrives."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

from drstack.components.local import resources
from drstack.components.plan import local
from drstack.components.token import known_as, token


class Destination(TypedDict):
    """A site's repository."""

    name: pulumi.Input[str]
    """Name of the site."""
    url: pulumi.Input[str]
    """URL of its repository."""


class Retention(TypedDict):
    """What a repository keeps; pins, legal holds and what a recovery needs stay besides. Something must be named."""

    last: NotRequired[pulumi.Input[int]]
    """The newest so many checkpoints."""
    hourly: NotRequired[pulumi.Input[int]]
    """One for each of the last so many hours."""
    daily: NotRequired[pulumi.Input[int]]
    """One for each of the last so many days."""
    weekly: NotRequired[pulumi.Input[int]]
    """One for each of the last so many weeks."""
    monthly: NotRequired[pulumi.Input[int]]
    """One for each of the last so many months."""
    yearly: NotRequired[pulumi.Input[int]]
    """One for each of the last so many years."""
    min_age_s: NotRequired[pulumi.Input[float]]
    """Seconds; what was saved less long ago stays, however many that are."""


class Admission(TypedDict):
    """Which findings make a checkpoint suspect."""

    ignore: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Reasons for which no checkpoint is suspect."""
    jump_factor: NotRequired[pulumi.Input[float]]
    """Times its last norm, up or down, at which a weight is suspect; 4 if it is left out."""


class WatchedWorkload(TypedDict):
    """A workload whose checkpoints are shipped."""

    name: pulumi.Input[str]
    """Name of the workload."""
    checkpoints: pulumi.Input[str]
    """Folder below which its trainer writes checkpoints, relative to the site's."""
    keep: pulumi.Input[Retention]
    """What each repository keeps."""
    admission: NotRequired[pulumi.Input[Admission]]
    """How its checkpoints are judged."""
    rpo_s: NotRequired[pulumi.Input[float]]
    """Its recovery point objective in seconds, by which destinations are served and metrics judge."""
    receipts: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Which receipts a checkpoint needs to count as received; `stored` and `decoded` if it is left out."""
    code: NotRequired[pulumi.Input[str]]
    """Folder of the training program's repository, whose commit each checkpoint names; else what the checkpoints lie in."""
    trains_here: NotRequired[pulumi.Input[bool]]
    """Whether its trainer runs on the site's machine with the site's interpreter, whose packages checkpoints then name."""


class Proving(TypedDict):
    """What the site's prover tries while the site is idle."""

    workloads: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Workloads that train here."""
    every_s: pulumi.Input[float]
    """Seconds from one look for something to prove to the next."""
    steps: pulumi.Input[int]
    """Steps that are replayed."""
    timeout_s: pulumi.Input[float]
    """Seconds after which a proof is given up."""


class Holding(TypedDict):
    """Leases of what the site writes."""

    witness: pulumi.Input[str]
    """URL of the witness, which keeps them."""
    environment: pulumi.Input[str]
    """Name of the environment."""
    ttl_s: pulumi.Input[float]
    """Seconds that a lease holds without renewal."""
    renew_s: pulumi.Input[float]
    """Seconds from one renewal to the next."""
    pause_s: pulumi.Input[float]
    """Seconds before its end at which work is stopped: the longest that a process stands still without noticing."""
    workloads: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Workloads that run under a lease."""


class Anchor(TypedDict):
    """Where it is kept how far each log reached."""

    url: pulumi.Input[str]
    """URL of the witness."""
    environment: pulumi.Input[str]
    """Name of the environment."""


class Scrub(TypedDict):
    """How the site's repository is read back."""

    every_s: pulumi.Input[float]
    """Seconds in which all of it is read once."""
    bytes_per_s: NotRequired[pulumi.Input[float]]
    """The most that is read; 50 MB/s if it is left out."""
    repair: NotRequired[pulumi.Input[bool]]
    """Whether what is damaged is put back from the other destinations; yes if it is left out."""


class Drill(TypedDict):
    """How restores are practised."""

    every_s: pulumi.Input[float]
    """Seconds from one drill to the next."""


class ReplicatorServiceArgs(TypedDict):
    folder: pulumi.Input[str]
    """Folder of the site, absolute."""
    site: pulumi.Input[str]
    """Name of the site."""
    destinations: pulumi.Input[Sequence[pulumi.Input[Destination]]]
    """The repositories to ship to and to verify: this site's own, and the others'."""
    workloads: pulumi.Input[Sequence[pulumi.Input[WatchedWorkload]]]
    """What is shipped."""
    keys: NotRequired[pulumi.Input[str]]
    """Folder of this site's trust file and keys; if it is left out, its repositories are plain."""
    anchor: NotRequired[pulumi.Input[Anchor]]
    """Nothing is anchored if it is left out: a machine that never looked cannot tell that a log was rolled back."""
    scrub: NotRequired[pulumi.Input[Scrub]]
    """Nothing is read back but what arrives if it is left out."""
    drill: NotRequired[pulumi.Input[Drill]]
    """No restore is practised here if it is left out."""
    prover: NotRequired[Proving | None]
    """Nothing is proved here if it is left out."""
    holder: NotRequired[Holding | None]
    """What trains here needs no lease if it is left out."""


class ReplicatorService(pulumi.ComponentResource):
    """The service that carries a site's checkpoints to the others and verifies what arrives."""

    def __init__(self, name: str, args: ReplicatorServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(token("ReplicatorService"), name, {}, known_as("ReplicatorService", opts))
        told = pulumi.Output.all(
            site=args["site"],
            folder=args["folder"],
            destinations=args["destinations"],
            workloads=args["workloads"],
            keys=args.get("keys"),
            anchor=args.get("anchor"),
            scrub=args.get("scrub"),
            drill=args.get("drill"),
        )
        resources.Replicator(
            name,
            folder=args["folder"],
            config=told.apply(_config),
            prover=_told(args.get("prover")),
            holder=_told(args.get("holder")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _config(told: dict[str, Any]) -> dict[str, object]:
    more = {name: told.pop(name) for name in ("keys", "anchor", "scrub", "drill")}
    return local.replicator_config(**told, told={name: value for name, value in more.items() if value is not None})


def _told(wanted: Proving | Holding | None) -> dict[str, object] | None:
    """As `drstack.platforms.local.prover.ProverConfig` and `drstack.platforms.local.lease.HolderConfig` name it."""
    return None if wanted is None else {**wanted}
