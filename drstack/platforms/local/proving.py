"""The site's prover as a program: told by one JSON file, run while it is told anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from drstack.platforms.local import programs
from drstack.platforms.local.told import Told

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.prover import ProverConfig


def ensure_prover(folder: SiteFolder, config: ProverConfig | None) -> None:
    """Have it run with this configuration, unless the site is fenced; None: have none. ActuatorFailed."""
    if config is None:
        remove_prover(folder)
    else:
        _prover(folder).ensure(config, programs.prover(folder, sys.executable))


def remove_prover(folder: SiteFolder) -> None:
    """Stop it, if there is one, and forget what it was told."""
    _prover(folder).remove()


def prover_drift(folder: SiteFolder, config: ProverConfig | None) -> list[str]:
    """What keeps it from being as told, in words."""
    return _prover(folder).drift(config)


def _prover(folder: SiteFolder) -> Told:
    return Told(folder, programs.PROVER, "the prover", folder.prover_config, (folder.prover_status,))
