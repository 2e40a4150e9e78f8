"""Jobs: what starts a workload at a site.

Decides how a job is recognised: by the field that names its kind. Invariant: a job has exactly one kind.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, StrictInt, Tag, model_validator

from drstack.spec.fields import Declared, Word
from drstack.spec.sites import Platform

MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
OBJECT = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"


class LocalJob(Declared):
    """Ranks on the slots of a local site: a Python module under torchrun, or a command."""

    train: str | None = Field(
        default=None, pattern=MODULE, description="Python module that torchrun starts.", examples=["examples.train"]
    )
    command: tuple[Word, ...] | None = Field(
        default=None,
        min_length=1,
        description="Program and arguments, in place of `train`; started once for each rank.",
        examples=[["python", "-m", "examples.train"]],
    )
    ranks: StrictInt = Field(default=1, ge=1, description="Ranks; each takes one slot.", examples=[2])
    args: tuple[Word, ...] = Field(
        default=(), description="Arguments after the module or command.", examples=[["--batch", 8]]
    )
    env: dict[str, Word] = Field(
        default_factory=dict[str, str], description="Environment variables.", examples=[{"OMP_NUM_THREADS": 1}]
    )

    @model_validator(mode="after")
    def _one_program(self) -> Self:
        if (self.train is None) == (self.command is None):
            raise ValueError("either `train` or `command`")
        return self


class ServeJob(Declared):
    """Replicas on the slots of a local site, each answering requests that the environment's router sends it."""

    serve: str = Field(pattern=MODULE, description="Python module that answers requests.", examples=["examples.serve"])
    replicas: StrictInt = Field(
        default=1, ge=1, description="Replicas at each site that serves; each takes one slot.", examples=[2]
    )
    args: tuple[Word, ...] = Field(
        default=(), description="Arguments after those that every replica gets.", examples=[["--threads", 1]]
    )
    env: dict[str, Word] = Field(
        default_factory=dict[str, str], description="Environment variables.", examples=[{"OMP_NUM_THREADS": 1}]
    )


class JobSetJob(Declared):
    """A JobSet of a Kubernetes cluster."""

    jobset: str = Field(pattern=OBJECT, description="Namespace and name.", examples=["ml/gpt"])


class DeploymentJob(Declared):
    """A Deployment of a Kubernetes cluster."""

    deployment: str = Field(pattern=OBJECT, description="Namespace and name.", examples=["ml/chat"])


class SlurmJob(Declared):
    """A batch job of a Slurm cluster."""

    slurm: str = Field(min_length=1, description="Batch script that sbatch takes.", examples=["/jobs/gpt.sbatch"])


KINDS = {"serve": "ServeJob", "jobset": "JobSetJob", "deployment": "DeploymentJob", "slurm": "SlurmJob"}


def _kind(job: Any) -> str | None:
    if isinstance(job, Mapping):
        return next((tag for field, tag in KINDS.items() if field in job), "LocalJob")
    return type(job).__name__ if isinstance(job, Declared) else None  # pyright: ignore[reportUnknownArgumentType]


Job = Annotated[
    Annotated[LocalJob, Tag("LocalJob")]
    | Annotated[ServeJob, Tag("ServeJob")]
    | Annotated[JobSetJob, Tag("JobSetJob")]
    | Annotated[DeploymentJob, Tag("DeploymentJob")]
    | Annotated[SlurmJob, Tag("SlurmJob")],
    Discriminator(
        _kind,
        custom_error_type="job",
        custom_error_message="a mapping with train, command, serve, jobset, deployment or slurm",
    ),
]


def runs_on(job: Job) -> tuple[Platform, ...]:
    """Platforms that can start this kind of job; clouds run adopted Slurm as well as Kubernetes."""
    match job:
        case LocalJob() | ServeJob():
            return ("local",)
        case JobSetJob() | DeploymentJob():
            return ("kubernetes", "aws", "gcp")
        case SlurmJob():
            return ("slurm", "aws", "gcp")


def slots_taken(job: Job) -> int | None:
    """Slots of a local site that the job takes where it runs; None for jobs of other platforms."""
    match job:
        case LocalJob():
            return job.ranks
        case ServeJob():
            return job.replicas
        case _:
            return None
