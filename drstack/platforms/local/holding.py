"""The holder of a site's leases as a program: told by one JSON file, run while it is told anything.

What trains goes on while it is restarted, until its lease ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.platforms.local import programs
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.told import Told

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.lease import HolderConfig


def ensure_holder(folder: SiteFolder, config: HolderConfig | None) -> None:
    """Have it run with this configuration, unless the site is fenced; None: leases are off. ActuatorFailed."""
    if config is None:
        remove_holder(folder)
    else:
        _holder(folder).ensure(config, programs.holder(folder, of_site(folder)))


def start_holder(folder: SiteFolder) -> None:
    """Have it run with the configuration that it has, if leases are on. ActuatorFailed."""
    if folder.lease_config.exists():
        Supervisor(folder).start(programs.HOLDER)


def remove_holder(folder: SiteFolder) -> None:
    """Stop it, if there is one, and forget what it was told: leases are off."""
    _holder(folder).remove()


def holder_drift(folder: SiteFolder, config: HolderConfig | None) -> list[str]:
    """What keeps it from being as told, in words."""
    return _holder(folder).drift(config)


def _holder(folder: SiteFolder) -> Told:
    return Told(folder, programs.HOLDER, "the holder of leases", folder.lease_config, (folder.leases,))
