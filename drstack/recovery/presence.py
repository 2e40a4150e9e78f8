"""Sites that a step waits for: one that went away meanwhile is not waited for in vain, and is told with what brings it back.

Invariant: going away ends a wait, and nothing else; losing sight for a moment does not (DESIGN, rule 8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import StepFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.ports import SiteObservation
    from drstack.recovery.world import World

AWAY_S = 5.0
"""A site that does not answer for this long has gone away."""
_LOOK_S = 1.0


def mending(environment: str, site: str) -> str:
    """The command that has a site whole again."""
    return f"drstack up {environment} --site {site} --refresh, then drstack resume {environment}."


class Presence:
    """Of the sites by these names, while something is waited for. `sends`: whether their replicators are needed."""

    def __init__(self, world: World, names: Sequence[str], *, sends: bool = False) -> None:
        self._world = world
        self._names = names
        self._sends = sends
        self._since: dict[str, float] = {}
        self._looked_at: float | None = None

    def require(self, what: str) -> None:
        """Look, if the last look is a while ago. StepFailed, saying `what` did not come about, where one went away."""
        now = self._world.clock()
        if self._looked_at is not None and now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        for name in self._names:
            self.heard(what, self._world.sites[name].observe(deadline_s=AWAY_S))

    def heard(self, what: str, seen: SiteObservation) -> None:
        """As `require`, of what was seen just now."""
        why = None if seen.reachable else seen.why
        if why is None and self._sends and not seen.replicator_running:
            why = "its replicator does not run"
        now = self._world.clock()
        if why is None:
            self._since.pop(seen.site, None)
        elif now - self._since.setdefault(seen.site, now) >= AWAY_S:
            raise StepFailed(f"{what}: {seen.site} went away: {why}", hint=mending(self._world.environment, seen.site))
