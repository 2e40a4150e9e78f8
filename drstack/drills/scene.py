"""What a drill plays: which site is lost, where the work comes back, and what is known once that site is out of sight.

Pure. Invariant: nothing that only the lost site could say is used any more, so that the plan is the one of the real
disaster.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drstack.errors import EnvironmentUnknown, NotReady
from drstack.recovery.ports import SiteObservation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.facts import Facts, RepositoryFact

WHY = "lost, as this drill plays it"


@dataclass(frozen=True, slots=True)
class Scene:
    """`lost` wrote the workloads; they come back at `target`. `after_s`: seconds until the loss is told."""

    lost: str
    target: str
    workloads: tuple[str, ...]
    after_s: float = 0.0
    seed: str | None = None
    """What a surprise was drawn with: the same seed draws the same again, of the same facts."""


def without(facts: Facts, lost: str) -> Facts:
    """The facts as they would be with that site and its repository out of sight."""
    sites = {**facts.sites, lost: SiteObservation(lost, reachable=False, why=WHY)}
    workloads = {
        name: replace(
            each, repositories={n: _unseen(fact) if n == lost else fact for n, fact in each.repositories.items()}
        )
        for name, each in facts.workloads.items()
    }
    return replace(facts, sites=sites, workloads=workloads)


def _unseen(fact: RepositoryFact) -> RepositoryFact:
    return replace(
        fact, why=WHY, slots=0, term=0, sealed=0, heads=None, newest=(), rolled_back=None, anchored=None
    )  # fmt: skip


def writers(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Per site that writes, its workloads."""
    found: dict[str, tuple[str, ...]] = {}
    for name, each in sorted(facts.workloads.items()):
        found[each.writer] = (*found.get(each.writer, ()), name)
    return found


def chosen(facts: Facts, *, site: str | None, workloads: Sequence[str] = ()) -> Scene:
    """The scene of a drill at `site`; by default at the first site that writes nothing. EnvironmentUnknown, NotReady.

    Lost is the site that writes most of what is to move.
    """
    for name in workloads:
        if name not in facts.workloads:
            raise EnvironmentUnknown(
                f"no workload {name!r} writes here", hint=f"Those that do: {', '.join(sorted(facts.workloads))}."
            )
    if site is not None and site not in facts.sites:
        raise EnvironmentUnknown(f"no site {site!r}", hint=f"The sites are: {', '.join(facts.sites)}.")
    by_site = {
        name: tuple(each for each in mine if each in (workloads or mine)) for name, mine in writers(facts).items()
    }
    target = site or next((name for name in facts.sites if name not in by_site), None)
    if target is None:
        target = next(
            (name for name in facts.sites if any(mine for other, mine in by_site.items() if other != name)), ""
        )
    lost = max((name for name in by_site if name != target), key=lambda name: len(by_site[name]), default=None)
    if lost is None or not by_site[lost]:
        raise NotReady(
            f"{target} writes {', '.join(workloads) or 'everything'} itself: there is nothing to bring back there",
            hint=f"Name a standby with --site: {', '.join(each for each in facts.sites if each != target)}.",
        )
    return Scene(lost, target, by_site[lost])


def surprise(facts: Facts, *, seed: str, window_s: float, site: str | None = None) -> Scene:
    """A scene drawn from all that can be lost: a site that writes, one of its workloads or all, and when in the window.

    NotReady where nothing can be lost and brought back.
    """
    scenes = [
        Scene(lost, target, some)
        for lost, mine in sorted(writers(facts).items())
        for target in sorted(facts.sites)
        if target != lost and site in (None, target)
        for some in (mine, *(((name,) for name in mine) if len(mine) > 1 else ()))
    ]
    if not scenes:
        raise NotReady(
            "no site writes anything that another could bring back", hint="drstack status ENV shows who writes."
        )
    drawn = scenes[_draw(seed, "scene", len(scenes))]
    return replace(drawn, after_s=window_s * _draw(seed, "moment", 1_000_000) / 1_000_000, seed=seed)


def _draw(seed: str, what: str, below: int) -> int:
    """The same on every machine and version: the digest of seed and purpose, modulo."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}".encode()).digest()[:8]) % below
