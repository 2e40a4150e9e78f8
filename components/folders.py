"""Where an environment's local sites lie: as the file says, and else where they were made.

Decides nothing itself: the provider knows what the witness and the folders say. Invariant: an upgrade moves no site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.components.local import resources
from drstack.components.plan import local
from drstack.spec.sites import LocalSite, leaves_folder_open

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.spec.environment import Environment


def located(declared: Environment, root: Path) -> Environment:
    """The environment with the folder of every local site; asks the provider for those that the file leaves out."""
    asked = {
        name: site for name, site in declared.sites.items() if isinstance(site, LocalSite) and leaves_folder_open(site)
    }
    if not asked:
        return declared
    found = resources.get_folders(
        witness=local.witness_url(declared, root), environment=declared.environment, root=str(root), sites=list(asked)
    )
    moved = {name: site.model_copy(update={"folder": found[name]}) for name, site in asked.items()}
    return declared.model_copy(update={"sites": {**declared.sites, **moved}})
