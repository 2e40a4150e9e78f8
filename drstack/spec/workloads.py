"""Workloads: what must survive the loss of a site.

Decides what is told of one workload. Invariant: what follows from other parts of the file is judged in `rules`.
"""

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt

from drstack.spec.fields import Declared, Duration, Folder, Name, Size
from drstack.spec.jobs import Job

WorkloadClass = Literal["training", "weights", "dataset", "inference", "registry", "development", "config"]


Reason = Literal["nan", "stale", "stale-file", "swapped", "zeroed", "norm", "drift", "shape", "state-gone", "index"]


class Admission(Declared):
    """Which findings make a checkpoint suspect."""

    ignore: tuple[Reason, ...] = Field(
        default=(), description="Reasons for which no checkpoint is suspect.", examples=[["shape"]]
    )
    jump_factor: StrictFloat | StrictInt | None = Field(
        default=None, gt=1, description="Times its last norm, up or down, at which a weight is suspect. Default: 4."
    )


class Checkpoints(Declared):
    """Where a workload writes its files, and how often."""

    path: Folder = Field(
        description="Folder of the checkpoints; at a local site relative to the site's folder.",
        examples=["checkpoints/gpt"],
    )
    every: Duration | None = Field(
        default=None, description="Time between checkpoints, as the workload writes them.", examples=["45m"]
    )
    every_steps: StrictInt | None = Field(
        default=None,
        ge=1,
        description="Training steps between checkpoints, for a trainer that counts steps.",
        examples=[500],
    )
    save: Duration | None = Field(
        default=None, description="Time that writing one checkpoint takes, counted towards the RPO.", examples=["40s"]
    )
    size: Size | None = Field(
        default=None,
        description="Bytes of one checkpoint; with a link's bandwidth, the time to ship it is counted towards the RPO.",
        examples=["300GB"],
    )
    admission: Admission | None = Field(
        default=None,
        description="What is looked for before a checkpoint counts. Default: everything.",
        examples=[{"ignore": ["shape"]}],
    )


class Workload(Declared):
    """One training run, model, dataset, service or store."""

    class_: WorkloadClass = Field(
        alias="class",
        description="Workload class; it sets the objectives that are not declared.",
        examples=["training"],
    )
    job: Job | None = Field(
        default=None,
        description="What starts the workload: a local job, jobset, deployment or slurm.",
        examples=[{"train": "examples.train"}],
    )
    checkpoints: Checkpoints | None = Field(
        default=None,
        description="Where the workload writes its files, and how often.",
        examples=[{"path": "checkpoints/gpt", "every": "45m"}],
    )
    rpo: Duration | None = Field(
        default=None,
        description="Recovery point objective: the most work that may be lost. 0: no acknowledged checkpoint is lost. "
        "Default: by class.",
        examples=["2h"],
    )
    rto: Duration | None = Field(
        default=None,
        description="Recovery time objective: the longest until the workload runs again. Default: by class.",
        examples=["1h"],
    )
    after: tuple[Name, ...] = Field(
        default=(),
        description="Workloads that have to run before a promotion starts this one. Default: none; all start side by side.",
        examples=[["registry"]],
    )
    serves: Name | None = Field(
        default=None, description="Workload whose checkpoints this inference workload serves.", examples=["gpt"]
    )
