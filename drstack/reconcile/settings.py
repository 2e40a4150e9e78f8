"""The shell settings with which `pulumi` works on an environment, bare or under drstack.

Decides where state and passphrase come from. Invariant: settings name the passphrase's file and never hold the
passphrase, so that they may be printed; state in a folder always goes with the passphrase beside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.reconcile.project import ROOT
from drstack.spec.urls import resolve_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.reconcile.engine import EngineTools
    from drstack.spec import Environment

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of a variable
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable


def settings(
    environment: Environment,
    project_root: Path,
    local_root: Path,
    engine: EngineTools,
    *,
    inherited: Mapping[str, str] | None = None,
    prefix: Path | None = None,
) -> dict[str, str]:
    """Variables to set; PATH is the inherited one with our folders before it.

    `inherited` is the caller's environment (none by default) and `prefix` the Python environment that has pulumi.
    """
    given = inherited or {}
    url = resolve_url(environment.state, local_root)
    chosen = {
        "PULUMI_BACKEND_URL": url,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        ROOT: str(local_root),
        "PATH": os.pathsep.join([*folders(engine, prefix), given.get("PATH") or os.defpath]),
    }
    if url.startswith("file:") or not (PASSPHRASE in given or PASSPHRASE_FILE in given):
        chosen[PASSPHRASE_FILE] = str(passphrase_file(local_root))
    elif PASSPHRASE_FILE in given:
        chosen[PASSPHRASE_FILE] = str(project_root / given[PASSPHRASE_FILE])
    venv = prefix or Path(sys.prefix)
    if prefix is not None or sys.prefix != sys.base_prefix:
        chosen["VIRTUAL_ENV"] = str(venv)
    return chosen


def folders(engine: EngineTools, prefix: Path | None = None) -> list[str]:
    """What goes before PATH: the Python that has pulumi, then the engine."""
    return [str((prefix or Path(sys.prefix)) / "bin"), str(engine.bin)]


def dropped(chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Variables to unset: a passphrase in the environment would win over the file."""
    return (PASSPHRASE,) if PASSPHRASE_FILE in chosen else ()


def passphrase_file(local_root: Path) -> Path:
    return local_root / "passphrase"
