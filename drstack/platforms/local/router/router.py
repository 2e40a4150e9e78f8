"""The router of local sites behind recovery's port.

Invariant: observing never raises; turning weights is convergent, ends within its deadline and never undoes what a later
assignment turned.
"""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local.router.admin import Admin
from drstack.platforms.local.router.process import Turn, apply
from drstack.recovery.ports import RouterObservation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.platforms.local.router.place import RouterPlace

PROBE_S = 2.0


class LocalRouter:
    """Implements `drstack.recovery.ports.Router`."""

    def __init__(self, place: RouterPlace) -> None:
        self._place = place

    def observe(self, *, deadline_s: float) -> RouterObservation:
        try:
            admin = Admin(self._place.admin(), timeout_s=deadline_s)
            errors = {name: _errors(by) for name, by in admin.answered().items()}
            declared, weights = self._place.declared(), self._place.weights()
            urls = {name: f"http://127.0.0.1:{port}" for name, port in self._place.listens().items()}
        except (ActuatorFailed, OSError, ValueError, TypeError) as error:
            return RouterObservation(reachable=False, why=str(error))
        ports = {port for sites in declared.values() for each in sites.values() for port in each}
        with ThreadPoolExecutor(max(1, len(ports))) as pool:
            asked = {port: pool.submit(_ready, port, min(PROBE_S, deadline_s)) for port in ports}
        ready = {port: answer.result() for port, answer in asked.items()}
        return RouterObservation(
            reachable=True,
            assignment=weights.assignment,
            urls=urls,
            weights={name: dict(weights.by_workload.get(name, {})) for name in declared},
            healthy={
                name: {site: any(ready[port] for port in each) for site, each in sites.items()}
                for name, sites in declared.items()
            },
            errors={name: errors.get(name, 0) for name in declared},
        )

    def set_weights(
        self,
        workload: str,
        weights: Mapping[str, int],
        *,
        assignment: int,
        deadline_s: float,
        instead_of: Mapping[str, int] | None = None,
    ) -> None:
        try:
            if workload not in self._place.declared():
                raise ActuatorFailed(
                    f"the router in {self._place.path} knows no workload {workload}", hint="drstack up ENV declares it."
                )
            kept = self._place.weights()
            if kept.assignment == assignment and kept.by_workload.get(workload) == dict(weights):
                return
            turned = Turn(workload, dict(weights), assignment, None if instead_of is None else dict(instead_of))
            apply(self._place, turned, timeout_s=deadline_s)
        except OSError as error:
            raise ActuatorFailed(f"the router in {self._place.path}: {error}") from error


def _errors(answered: Mapping[int, int]) -> int:
    return sum(count for code, count in answered.items() if code >= http.client.INTERNAL_SERVER_ERROR)


def _ready(port: int, timeout_s: float) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
