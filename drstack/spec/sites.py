"""Sites: the places that can run the work.

Decides what each platform needs to be told. Invariant: `platform` alone selects the fields that a site may have.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from drstack.spec.fields import Declared, Folder, Share, derived

Platform = Literal["local", "aws", "gcp", "kubernetes", "slurm"]
PLATFORMS: tuple[Platform, ...] = ("local", "aws", "gcp", "kubernetes", "slurm")


class Adopt(Declared):
    """What exists already and is used rather than built."""

    cluster: str | None = Field(
        default=None, min_length=1, description="Name of the cluster that runs the work.", examples=["train-1"]
    )
    bucket: str | None = Field(
        default=None, min_length=1, description="Bucket that holds the repository.", examples=["acme-ckpt"]
    )


class _Site(Declared):
    capacity: Share | None = derived(
        None,
        "by strategy, active-active 100%, active-passive 20%, pilot-light and cloud-burst 0%",
        description="What stands ready while the site is standby: a share of its full size, or a number of slots.",
        examples=["20%"],
    )


class LocalSite(_Site):
    """A folder on this machine, with a pool of worker slots that stand for GPU nodes."""

    platform: Literal["local"] = Field(description="A folder on this machine.", examples=["local"])
    folder: Folder = derived(
        "",
        "sites/<name of the environment>/<name of the site>",
        description="Folder of the site, relative to the environment's root folder, or absolute.",
        examples=["/data/east"],
    )
    slots: StrictInt = Field(
        default=5, ge=1, le=10_000, description="Worker slots at full size; each runs one rank.", examples=[5]
    )
    on_destroy: Literal["keep", "delete"] = Field(
        default="keep", description="What destroying the site does with its folder.", examples=["keep"]
    )
    devices: Literal["cpu", "auto"] = Field(
        default="cpu", description="`cpu`, or `auto`: GPUs where there are any.", examples=["cpu"]
    )
    python: str | None = derived(
        None,
        "the Python that made the site",
        pattern=r"^/.",
        description="Interpreter of the site's training environment, an absolute path; it runs the jobs here.",
        examples=["/opt/train/bin/python"],
    )


class _CloudSite(_Site):
    adopt: Adopt = Field(default=Adopt(), description="What exists already and is used rather than built.")


class AwsSite(_CloudSite):
    """A region of Amazon Web Services."""

    platform: Literal["aws"] = Field(description="Amazon Web Services.", examples=["aws"])
    region: str = Field(min_length=1, description="Region code.", examples=["us-east-1"])


class GcpSite(_CloudSite):
    """A region of Google Cloud."""

    platform: Literal["gcp"] = Field(description="Google Cloud.", examples=["gcp"])
    region: str = Field(min_length=1, description="Region code.", examples=["us-west4"])


class KubernetesSite(_CloudSite):
    """A Kubernetes cluster that exists."""

    platform: Literal["kubernetes"] = Field(description="A Kubernetes cluster.", examples=["kubernetes"])
    region: str | None = Field(
        default=None, min_length=1, description="Where the cluster stands, in words of your own.", examples=["hall-2"]
    )


class SlurmSite(_CloudSite):
    """A Slurm cluster that exists."""

    platform: Literal["slurm"] = Field(description="A Slurm cluster.", examples=["slurm"])
    region: str | None = Field(
        default=None, min_length=1, description="Where the cluster stands, in words of your own.", examples=["hall-2"]
    )


Site = Annotated[LocalSite | AwsSite | GcpSite | KubernetesSite | SlurmSite, Field(discriminator="platform")]


def default_folder(environment: str, site: str) -> str:
    """Relative to the environment's root folder, where other environments may lie too."""
    return f"sites/{environment}/{site}"


def former_folder(site: str) -> str:
    """The default of earlier versions: sites that were made there stay there (drstack.components.folders)."""
    return f"sites/{site}"


def settled(environment: str, name: str, site: Site) -> Site:
    """The site with the default folder that follows from its name; `leaves_folder_open` still says so."""
    if not (isinstance(site, LocalSite) and leaves_folder_open(site)):
        return site
    made = site.model_copy(update={"folder": default_folder(environment, name)})
    made.model_fields_set.discard("folder")
    return made


def leaves_folder_open(site: LocalSite) -> bool:
    return "folder" not in site.model_fields_set
