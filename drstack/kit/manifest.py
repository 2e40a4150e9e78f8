"""The manifest of a kit, `kit.json`: what the kit is, what it is for, what it lacks, and the digest of each file.

Decides the format, version 1; `start.py`, which travels in the kit, reads it too. Invariant: SHA-256, so that a bare
Python, or `sha256sum`, can tell whether a file is whole.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drstack.errors import KitUnusable
from drstack.kit.start import NAME, sha256

if TYPE_CHECKING:
    from pathlib import Path


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Listed(_Part):
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    executable: bool = False


class Platform(_Part):
    """What decides whether the wheels and the engine run somewhere; `python` is major.minor, `glibc` the oldest."""

    system: str
    machine: str
    implementation: str
    python: str
    glibc: str = ""


class EnginePart(_Part):
    included: bool
    version: str | None = None
    why: str


class Included(_Part):
    """Whether something is in the kit, and if not, where it is expected to come from."""

    included: bool
    why: str


class Sources(_Part):
    """SHA-256 of what the kit was made from, by which drift is seen; None: there was none."""

    environment: str
    lock: str | None = None


class Manifest(_Part):
    kit: Literal[1] = 1
    environment: str
    environment_id: str | None
    site: str
    assignment: int
    made_at: float
    """Unix seconds."""
    drstack: str
    root: str
    """Folder of sites, witness and state where their addresses are relative."""
    platform: Platform
    engine: EnginePart
    training: Included
    keys: Included
    sources: Sources
    files: dict[str, Listed]


def list_files(kit: Path) -> dict[str, Listed]:
    """Every file of a kit but the manifest."""
    paths = sorted(path for path in kit.rglob("*") if path.is_file() and path.name != NAME)
    return {
        path.relative_to(kit).as_posix(): Listed(
            size=path.stat().st_size, sha256=sha256(path), executable=os.access(path, os.X_OK)
        )
        for path in paths
    }


def write(kit: Path, manifest: Manifest) -> None:
    (kit / NAME).write_text(json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n")


def read(kit: Path) -> Manifest:
    """KitUnusable if there is none, or none that this version reads."""
    try:
        return Manifest.model_validate_json((kit / NAME).read_bytes())
    except FileNotFoundError as error:
        raise KitUnusable(f"{kit} is no kit: it has no {NAME}") from error
    except NotADirectoryError as error:
        raise KitUnusable(f"{kit} is no kit: it is no folder") from error
    except OSError as error:
        raise KitUnusable(f"{kit / NAME} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise KitUnusable(f"{kit / NAME} is damaged: {where or 'content'}: {first['msg']}") from error
