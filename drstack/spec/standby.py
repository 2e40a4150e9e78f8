"""How many slots a site runs in a role.

Decides the capacity that a strategy implies. Invariant: the primary has all its slots; a standby never has more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from drstack.errors import EnvironmentUnknown
from drstack.spec.capacity import Capacity
from drstack.spec.sites import LocalSite

if TYPE_CHECKING:
    from drstack.spec.environment import Environment, Strategy

Role = Literal["primary", "standby"]
STANDBY: dict[Strategy, Capacity] = {
    "active-active": Capacity(100, "percent"),
    "active-passive": Capacity(20, "percent"),
    "pilot-light": Capacity(0, "percent"),
    "cloud-burst": Capacity(0, "percent"),
}


def standby_capacity(environment: Environment, site: str) -> Capacity:
    """What the site keeps ready while it is standby. Raises EnvironmentUnknown."""
    declared = environment.sites.get(site)
    if declared is None:
        raise EnvironmentUnknown(
            f"environment {environment.environment} has no site {site!r}",
            hint=f"Its sites are: {', '.join(environment.sites)}.",
        )
    return declared.capacity or STANDBY[environment.strategy]


def standby_slots(environment: Environment, site: str, role: Role) -> int:
    """Slots that run in this role, at a site that counts in slots. Raises EnvironmentUnknown."""
    capacity = standby_capacity(environment, site)
    declared = environment.sites[site]
    if not isinstance(declared, LocalSite):
        raise EnvironmentUnknown(f"site {site!r} on {declared.platform} does not count in slots")
    return declared.slots if role == "primary" else capacity.of(declared.slots)
