"""Which Pulumi engine runs.

Decides between an engine on PATH and the one that `make engine` had or built. Invariant: what is returned is new
enough and has the Python language host, so that a stack fails here, with the remedy, rather than halfway.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from drstack.errors import EngineFailed

OLDEST = (3, 227, 0)
HOST = "pulumi-language-python"
RECORD = Path(".drstack") / "engine.json"
HINT_IN_A_CHECKOUT = "make engine"
HINT = (
    f"Install the Pulumi CLI, {'.'.join(map(str, OLDEST))} or newer, with its Python language host, and put it on PATH: "
    "https://www.pulumi.com/docs/install/"
)
VERSION_TIMEOUT_S = 30.0
BUILDER = Path("tools") / "engine"
_ABOVE = Path(__file__).absolute().parents[2]
CHECKOUT = _ABOVE if (_ABOVE / BUILDER).is_dir() else None
"""What this runs from, where that can build an engine."""


@dataclass(frozen=True, slots=True)
class EngineTools:
    """The folder that holds `pulumi`; `way` says how it got there: `path`, or what `make engine` wrote."""

    bin: Path
    version: str
    way: str

    @property
    def pulumi(self) -> Path:
        return self.bin / "pulumi"


def find_engine(project_root: Path, *, path: str | None = None, checkout: Path | None = CHECKOUT) -> EngineTools:
    """The engine to use: one on PATH, the project's own, or that of the checkout that this runs from.

    `path` stands in for PATH. Raises EngineFailed, which says why none of them serves.
    """
    search = os.environ.get("PATH", os.defpath) if path is None else path
    reasons: list[str] = []
    found = shutil.which("pulumi", path=search)
    if found is None:
        reasons.append("no pulumi on PATH")
    else:
        folder = Path(found).absolute().parent
        verdict = _judge(folder, search)
        if isinstance(verdict, tuple):
            return EngineTools(folder, ".".join(map(str, verdict)), "path")
        reasons.append(verdict)
    roots = [project_root, *([checkout] if checkout is not None and checkout != project_root else [])]
    for root in roots:
        recorded = _recorded(root / RECORD)
        if isinstance(recorded, EngineTools):
            verdict = _judge(recorded.bin, search)
            if isinstance(verdict, tuple):
                return recorded
            reasons.append(verdict)
        else:
            reasons.append(recorded)
    raise EngineFailed("no Pulumi engine: " + "; ".join(reasons), hint=_hint(project_root, checkout))


def _hint(project_root: Path, checkout: Path | None) -> str:
    if (project_root / BUILDER).is_dir():
        return HINT_IN_A_CHECKOUT
    return f"{HINT_IN_A_CHECKOUT} in {checkout}; or: {HINT}" if checkout is not None else HINT


def parse_version(text: str) -> tuple[int, int, int] | None:
    """`v3.259.0` or `3.259.0-dev`, as numbers."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _judge(folder: Path, search: str) -> tuple[int, int, int] | str:
    pulumi = folder / "pulumi"
    if shutil.which(HOST, path=f"{folder}{os.pathsep}{search}") is None:
        return f"{pulumi} has no {HOST} beside it or on PATH"
    try:
        told = subprocess.run(
            [pulumi, "version"],
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{pulumi} version failed: {error}"
    version = parse_version(told)
    if version is None or version < OLDEST:
        return f"{pulumi} is {told.strip()!r}, older than {'.'.join(map(str, OLDEST))}"
    return version


def _recorded(record: Path) -> EngineTools | str:
    try:
        content: object = json.loads(record.read_bytes())
    except FileNotFoundError:
        return f"no {record}"
    except (OSError, ValueError) as error:
        return f"{record} cannot be read: {error}"
    fields = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    folder = fields.get("bin")
    if not isinstance(folder, str):
        return f"{record} names no bin"
    return EngineTools(Path(folder), str(fields.get("version", "")), str(fields.get("way", "")))
