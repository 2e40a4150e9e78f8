"""drstack:local:getFolders: where the sites lie whose folders an environment file leaves out.

A site stays where it was made: its descriptor on the witness says where, else the record in its folder; the default of
earlier versions had no environment's name in it. Invariant: all stacks of an environment get the same answer, also while a
site's folder is lost, so that an upgrade moves none.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import read_record
from drstack.provider.kind import Inputs
from drstack.provider.reach import open_witness
from drstack.provider.sites import Folder, Name  # noqa: TC001 - pydantic reads them when it runs
from drstack.spec.sites import default_folder, former_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "drstack:local:getFolders"  # noqa: S105 - a function's token


class FoldersArguments(Inputs):
    witness: str
    environment: Name
    root: Folder
    """Folder to which the environment's folders are relative."""
    sites: tuple[Name, ...]


def get_folders(arguments: FoldersArguments) -> dict[str, str]:
    """By site, an absolute folder."""
    root, environment = PurePosixPath(arguments.root), arguments.environment
    now = {site: str(root / default_folder(environment, site)) for site in arguments.sites}
    former = {site: str(root / former_folder(site)) for site in arguments.sites}
    published, reachable = _published(arguments)
    recorded = {site: _recorded(environment, site, (now[site], former[site])) for site in arguments.sites}
    return decide_folders(now, former, published, recorded, reachable=reachable)


def decide_folders(
    now: Mapping[str, str],
    former: Mapping[str, str],
    published: Mapping[str, str],
    recorded: Mapping[str, str | None],
    *,
    reachable: bool,
) -> dict[str, str]:
    """`now` and `former` are the defaults. With the witness away, a site of which nothing is left lies as others do."""
    known = {
        site: published[site] if published.get(site) in (now[site], former[site]) else recorded.get(site)
        for site in now
    }
    lie_as_before = any(folder == former[site] for site, folder in known.items())
    others = former if lie_as_before and not reachable else now
    return {site: folder or others[site] for site, folder in known.items()}


def _published(arguments: FoldersArguments) -> tuple[dict[str, str], bool]:
    """Folders in the sites' descriptors, and whether the witness said so. What is wrong with it, resources refuse."""
    witness = open_witness(arguments.witness, arguments.environment)
    try:
        found = {site: witness.descriptor(site) for site in arguments.sites}
    except (WitnessUnreachable, WitnessUnsound):
        return {}, False
    return {site: str(each.get("folder")) for site, each in found.items() if each is not None}, True


def _recorded(environment: str, site: str, folders: tuple[str, ...]) -> str | None:
    """The first of the folders whose record names this site."""
    for folder in folders:
        record = read_record(site_folder(folder))
        if record is not None and (record.environment, record.site) == (environment, site):
            return folder
    return None
