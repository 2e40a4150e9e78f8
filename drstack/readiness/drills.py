"""When a recovery was last practised, and how it went.

Today that is what each standby's replicator says: it restores what is at most risk, into a folder that is emptied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.recovery.evidence import Evidence, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.ports import SiteObservation
    from drstack.witness.witness import Witness


@dataclass(frozen=True, slots=True)
class Drill:
    """`at`: unix seconds. `result`: in words."""

    at: float
    ok: bool
    result: str
    evidence: Evidence


def last_drill(witness: Witness, sites: Mapping[str, SiteObservation]) -> dict[str, Drill]:
    """By site, the last one there."""
    del witness  # holds no drills yet
    found: dict[str, Drill] = {}
    for name, site in sites.items():
        said = site.verified
        if said is not None and said.drilled_at is not None:
            source = told(f"the replicator of {name}", said.at)
            found[name] = Drill(said.drilled_at, said.drill_ok, said.drilled or "", source)
    return found
