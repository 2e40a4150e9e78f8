"""Which dependencies a run has: the lock files of its repository, and what its own interpreter holds."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.versions.asking import Unknown
from replicator.versions.document import Lock

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCKS = (
    "requirements.lock", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "pixi.lock", "conda-lock.yml",
    "environment.lock.yml", "environment.yml", "requirements.txt",
)  # fmt: skip
_MAX_BYTES = 64 << 20


def lock_files(folder: Path) -> dict[str, str]:
    """Name and digest of each lock file there, the most exact kind first."""
    found: dict[str, str] = {}
    for name in _LOCKS:
        path = folder / name
        try:
            if path.is_file() and path.stat().st_size <= _MAX_BYTES:
                found[name] = f"blake3:{blake3(path.read_bytes()).hexdigest()}"
        except OSError as error:
            raise Unknown(f"{path}: {error.strerror or error}") from error
    return found


def installed_here(environment: Mapping[str, str]) -> bytes:
    """What this interpreter can import, one `name==version` a line; conda's packages with their builds after it.

    No origin of a package is in it, as those may hold credentials.
    """
    rows = {
        f"{each.metadata['Name'].lower().replace('_', '-')}=={each.version}"
        for each in importlib.metadata.distributions()
        if each.metadata["Name"]
    }
    conda = environment.get("CONDA_PREFIX")
    if conda and os.path.realpath(conda) == os.path.realpath(sys.prefix):
        rows |= {f"conda: {path.stem}" for path in (Path(conda) / "conda-meta").glob("*.json")}
    python = f"# python {'.'.join(str(part) for part in sys.version_info[:3])}\n"
    return (python + "".join(f"{row}\n" for row in sorted(rows))).encode()


def lock_of(files: Mapping[str, str], installed: bytes | None) -> Lock:
    """Unknown if there is neither a lock file nor a list."""
    if not files and installed is None:
        raise Unknown("no lock file in the repository, and the trainer's interpreter was not asked")
    return Lock(files=dict(files), installed=f"blake3:{blake3(installed).hexdigest()}" if installed else None)
