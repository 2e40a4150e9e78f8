"""`versions.json`, kept beside a checkpoint: all that was known of what made it, and of the rest why it was not.

A section that is null is unknown; `unknown` says why. Unknown fields are passed over, so that a later version may say more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.errors import DataCorrupt
from replicator.json_text import read_json
from replicator.model import Versions

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "versions.json"
PATCH = "code.patch"
INSTALLED = "installed.txt"

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
By = Literal["trainer", "launcher", "watch"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Submodule(Section):
    path: str
    commit: Sha
    dirty: bool


class Code(Section):
    commit: Sha
    branch: str | None = None
    dirty: bool
    remote: str | None = None
    patch: Literal["none", "kept", "partial", "left out"] = "none"
    """Of a dirty tree: kept beside as `code.patch`, kept but for what `notes` name, or left out."""
    notes: tuple[str, ...] = ()
    submodules: tuple[Submodule, ...] = ()


class Data(Section):
    version: str
    """Digest of `entries`."""
    source: Literal["dvc", "declared"]
    entries: dict[str, str] = Field(default_factory=dict)
    """What it consists of: path to hash."""


class RegistryModel(Section):
    tracking: str | None = None
    run: str | None = None
    name: str | None = None
    version: str | None = None


class Lock(Section):
    files: dict[str, str] = Field(default_factory=dict)
    """Name of each lock file to its digest."""
    installed: str | None = None
    """Digest of the list of what is installed in the trainer's interpreter, kept beside as `installed.txt`."""


class Container(Section):
    digest: str | None = None
    image: str | None = None
    id: str | None = None


class Software(Section):
    python: str | None = None
    torch: str | None = None
    cuda: str | None = None
    """The CUDA that torch was built for."""
    cudnn: str | None = None
    nccl: str | None = None
    archs: tuple[str, ...] = ()
    """What torch's kernels were built for: sm_90, compute_90."""


class Gpu(Section):
    name: str
    memory_bytes: int
    capability: str | None = None


class Hardware(Section):
    driver: str | None = None
    cuda: str | None = None
    """The newest CUDA that the driver can run."""
    gpus: tuple[Gpu, ...] = ()


class Run(Section):
    world: int | None = None
    local_world: int | None = None
    """Ranks on this node: `gpus` are this node's."""
    dtypes: tuple[str, ...] = ()
    layout: str | None = None
    peak_memory_bytes: int | None = None
    """The most that torch reserved on this rank's GPU until then."""


class Document(Section):
    format: Literal[1] = 1
    by: By
    at: float
    code: Code | None = None
    data: Data | None = None
    model: RegistryModel | None = None
    lock: Lock | None = None
    container: Container | None = None
    software: Software | None = None
    hardware: Hardware | None = None
    run: Run | None = None
    unknown: dict[str, str] = Field(default_factory=dict)


def encode(document: Document) -> bytes:
    return json.dumps(document.model_dump(mode="json"), indent=1, sort_keys=True).encode()


def decode(body: bytes, where: str) -> Document:
    """DataCorrupt, naming `where`, if it is none, or one of a later format."""
    try:
        return read_json(Document, body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise DataCorrupt(f"{where}: {NAME} is none that this version can read: {field}: {first['msg']}") from error


def essentials(document: Document) -> Versions:
    """What of it stands in the log, so that a list shows it without reading packs."""
    code, software, hardware, run = document.code, document.software, document.hardware, document.run
    gpus = hardware.gpus if hardware else ()
    model = document.model
    return Versions(
        by=document.by,
        commit=code.commit if code else None,
        dirty=code.dirty if code else None,
        data=document.data.version if document.data else None,
        model=_model(model) if model else None,
        lock=_first(document.lock.files.values()) or document.lock.installed if document.lock else None,
        container=document.container.digest if document.container else None,
        torch=software.torch if software else None,
        cuda=software.cuda if software else None,
        driver=hardware.driver if hardware else None,
        gpu=gpus[0].name if gpus else None,
        gpus=len(gpus) if hardware else None,
        world=run.world if run else None,
        dtype="+".join(run.dtypes) or None if run else None,
    )


def _model(model: RegistryModel) -> str | None:
    if model.name is not None and model.version is not None:
        return f"{model.name}/{model.version}"
    return None if model.run is None else f"run {model.run}"


def _first(values: Iterable[str]) -> str | None:
    return next(iter(values), None)
