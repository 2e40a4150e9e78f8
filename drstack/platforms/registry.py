"""Which platform a site descriptor belongs to.

Decides by the descriptor's `platform` alone. Invariant: what was published on the witness is enough to open a site, so
that a promotion needs nothing of the failed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown
from drstack.platforms.local import guests
from drstack.platforms.local.descriptor import read_descriptor
from drstack.platforms.local.drill_ground import LocalGround
from drstack.platforms.local.drill_site import LocalDrillSite
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.probe import LocalProbe
from drstack.platforms.local.prover import held_prover
from drstack.platforms.local.router.place import router_place
from drstack.platforms.local.router.router import LocalRouter
from drstack.platforms.local.site import LocalSite
from drstack.spec.sites import LocalSite as DeclaredLocalSite
from drstack.spec.sites import former_folder, leaves_folder_open

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from drstack.drills.ground import DrillSite, Ground, Place
    from drstack.platforms.local.descriptor import LocalDescriptor
    from drstack.proving.prover import Prover, Settings
    from drstack.readiness.ports import Probe
    from drstack.recovery.ports import Router, Site
    from drstack.spec.sites import Site as DeclaredSite


def open_site(descriptor: Mapping[str, Any]) -> Site:
    """The site that a descriptor describes. Opening touches nothing. EnvironmentUnknown."""
    platform = descriptor.get("platform")
    if platform == "local":
        return LocalSite(read_descriptor(descriptor))
    raise EnvironmentUnknown(
        f"site {descriptor.get('site')!r}: no actuators for platform {platform!r}",
        hint="Use a drstack of the version that published the descriptor.",
    )


def declared_repository(name: str, declared: DeclaredSite, root: Path) -> str | None:
    """URL of a site's repository by the environment file alone; None where only its stack knows."""
    if not isinstance(declared, DeclaredLocalSite):
        return None
    folder = root / str(declared.folder)
    former = root / former_folder(name)
    if leaves_folder_open(declared) and not folder.exists() and former.exists():
        folder = former
    return site_folder(folder.absolute()).store.as_uri()


def open_probe(descriptor: Mapping[str, Any]) -> Probe | None:
    """What readiness asks a site; None for a platform that has none yet. Opening touches nothing. WitnessUnsound."""
    return LocalProbe(read_descriptor(descriptor)) if descriptor.get("platform") == "local" else None


def open_prover(descriptor: Mapping[str, Any], settings: Settings) -> AbstractContextManager[Prover]:
    """The prover of the site that a descriptor describes; nobody else proves there meanwhile. EnvironmentUnknown."""
    platform = descriptor.get("platform")
    if platform == "local":
        read = read_descriptor(descriptor)
        return held_prover(site_folder(read.folder), read.site, settings)
    raise EnvironmentUnknown(
        f"site {descriptor.get('site')!r}: recovery points cannot be proved on platform {platform!r} yet",
        hint="Name a local site: drstack prove ENV --site SITE.",
    )


def open_router(descriptor: Mapping[str, Any]) -> Router | None:
    """The router that a site's descriptor names; None where the site serves nothing. Opening touches nothing."""
    described = read_descriptor(descriptor) if descriptor.get("platform") == "local" else None
    return LocalRouter(router_place(described.router)) if described is not None and described.router else None


def open_ground(descriptor: Mapping[str, Any]) -> Ground:
    """The idle part of the site that a descriptor describes. Opening touches nothing. EnvironmentUnknown."""
    read = _drillable(descriptor)
    return LocalGround(site_folder(read.folder), read.site)


def open_drill_site(descriptor: Mapping[str, Any], place: Place, workloads: Sequence[str]) -> DrillSite:
    """A drill's own site like the one that a descriptor describes; `make` makes it. EnvironmentUnknown."""
    return LocalDrillSite(_drillable(descriptor), place, workloads)


def end_drill(folder: Path) -> list[str]:
    """End whatever runs of the drill in this folder on this machine, and remove it. Returns what does not end."""
    left = guests.end_drill(folder)
    if not left:
        guests.forget_drill(folder)
    return [f"process {pid}" for pid in left]


def _drillable(descriptor: Mapping[str, Any]) -> LocalDescriptor:
    platform = descriptor.get("platform")
    if platform == "local":
        return read_descriptor(descriptor)
    raise EnvironmentUnknown(
        f"site {descriptor.get('site')!r}: no drill can be held on platform {platform!r} yet",
        hint="drstack drill ENV --tabletop walks through the real plan of any site.",
    )
