"""Having a router run: supervisord in the router's folder keeps Caddy, and starts it again with what it was last told.

Invariant: the configuration on the disk is the one that Caddy took; one that it refuses is never left there.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs, teardown
from drstack.platforms.local.atomic import locked, write_text
from drstack.platforms.local.logs import tail
from drstack.platforms.local.replicas import pick_port
from drstack.platforms.local.router import config
from drstack.platforms.local.router.admin import Admin
from drstack.platforms.local.router.binary import find_caddy
from drstack.platforms.local.router.place import RouterPlace, Weights
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

START_S = 30.0


def ensure_router(
    place: RouterPlace,
    site: str,
    ports: Mapping[str, tuple[int, ...]],
    initial: Weights,
    *,
    fifo: str | None,
) -> dict[str, str]:
    """Have it run and route to the replicas of `site`. Returns the URL of each workload. ActuatorFailed.

    `initial` counts for workloads whose weights nobody has turned yet.
    """
    caddy = find_caddy()
    place.make()
    with locked(place.lock):
        place.declare(site, ports)
        kept = place.weights()
        number = (
            kept.assignment if kept.by_workload else initial.assignment
        )  # nothing of what was turned is newer by this
        place.turn(Weights(number, {**initial.by_workload, **kept.by_workload}))
        _keep_listens(place)
        if not place.config.exists():
            write_text(place.config, json.dumps(_config(place), indent=2))
        command = programs.caddy(place.processes, str(caddy), str(place.config), sys.executable)
        write_text(place.processes.programs / "caddy.conf", command)
    supervisor = Supervisor(place.processes)
    supervisor.ensure(fifo=fifo)
    supervisor.start(programs.CADDY)
    admin = Admin(place.admin())
    if not Deadline(START_S).until(admin.answers, 0.05):
        log = place.processes.log(programs.CADDY)
        raise ActuatorFailed(f"the router in {place.path} does not start: {tail(log)}", hint=f"Read {log}.")
    apply(place)
    return {name: f"http://127.0.0.1:{port}" for name, port in place.listens().items()}


@dataclass(frozen=True, slots=True)
class Turn:
    """One workload's new weights, for an assignment, in the place of `instead_of` if that is given."""

    workload: str
    weights: Mapping[str, int]
    assignment: int
    instead_of: Mapping[str, int] | None = None

    def made_on(self, place: RouterPlace) -> Weights:
        """All weights with these among them. ActuatorFailed where others are further."""
        kept = place.weights()
        if self.assignment < kept.assignment:
            raise ActuatorFailed(
                f"the router in {place.path} was turned for assignment {kept.assignment} already; "
                f"{self.assignment} is older",
                hint="Look at: drstack status ENV.",
            )
        now = kept.by_workload.get(self.workload, {})
        if self.instead_of is not None and now not in (self.instead_of, self.weights):
            raise ActuatorFailed(
                f"the router in {place.path} gives {self.workload} {dict(now)}, not {dict(self.instead_of)}: somebody "
                "else turned it meanwhile",
                hint="Look at: drstack traffic ENV.",
            )
        return Weights(self.assignment, {**kept.by_workload, self.workload: dict(self.weights)})


def apply(place: RouterPlace, turn: Turn | None = None, *, timeout_s: float = 10.0) -> None:
    """Tell Caddy what the files say, with other weights if a `turn` is given; kept once it took them. ActuatorFailed."""
    with locked(place.lock):
        weights = turn.made_on(place) if turn is not None else None
        wanted = _config(place, weights)
        Admin(place.admin(), timeout_s=timeout_s).load(wanted)
        write_text(place.config, json.dumps(wanted, indent=2))
        if weights is not None:
            place.turn(weights)


def withdraw(place: RouterPlace, site: str) -> None:
    """Route nothing to `site` any more; the last site takes the router with it. ActuatorFailed."""
    if not place.path.is_dir():
        return
    with locked(place.lock):
        place.upstreams_file(site).unlink(missing_ok=True)
        last = not place.sites()
    if last:
        teardown.end_processes(place.processes)
        teardown.remove(place.processes, keep_data=False)
    else:
        apply(place)


def drift(place: RouterPlace, site: str, ports: Mapping[str, tuple[int, ...]]) -> list[str]:
    """What keeps the router from being as declared, in words."""
    try:
        told = {name: each[site] for name, each in place.declared().items() if site in each}
        if told != dict(ports):
            return [f"it routes {site} otherwise than declared"]
        return [] if Admin(place.admin(), timeout_s=2.0).answers() else ["the router does not answer"]
    except ActuatorFailed as error:
        return [str(error)]


def _keep_listens(place: RouterPlace) -> None:
    listens = place.listens()
    for workload in place.declared():
        if workload not in listens:
            listens[workload] = pick_port(set(listens.values()))
    place.listen(listens)


def _config(place: RouterPlace, weights: Weights | None = None) -> config.Doc:
    turned = {**place.weights().by_workload, **(weights.by_workload if weights is not None else {})}
    declared, listens = place.declared(), place.listens()
    servers = {name: config.server(name, listens[name], declared[name], turned.get(name, {})) for name in declared}
    return config.caddy(servers, os.fspath(place.admin()))
