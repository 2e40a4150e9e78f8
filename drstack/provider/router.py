"""drstack:local:Router: a site's part of the environment's router, which the first site's stack starts.

Invariant: that the router runs and knows this site's replicas is declared here; who gets how many of the requests is
the assignment's, taken once when nobody has turned it yet (DESIGN, rule 10).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from drstack.errors import WitnessUnsound
from drstack.platforms.local import replicas
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.router import process
from drstack.platforms.local.router.place import Weights, router_place
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.reach import open_witness
from drstack.provider.site import LEASH
from drstack.provider.sites import Folder, Name, identify

if TYPE_CHECKING:
    from collections.abc import Mapping


class RouterInputs(Inputs):
    folder: Folder
    site: Name
    site_folder: Folder
    workloads: tuple[Name, ...]
    witness: str
    environment: Name


class Router(Kind[RouterInputs]):
    token = "drstack:local:Router"  # noqa: S105 - a type token
    inputs = RouterInputs
    identity = ("folder", "site", "environment")
    computed = ("urls",)

    def create(self, inputs: RouterInputs) -> Created:
        return Created(identify(inputs.folder, f"router/{inputs.site}"), self.update(inputs))

    def update(self, inputs: RouterInputs) -> Mapping[str, object]:
        place = router_place(inputs.folder)
        assigned = _assigned(inputs, place.weights())
        urls = process.ensure_router(place, inputs.site, _ports(inputs), assigned, fifo=os.environ.get(LEASH) or None)
        return _outputs(inputs, urls, [])

    def read(self, inputs: RouterInputs) -> Mapping[str, object] | None:
        place = router_place(inputs.folder)
        if not place.upstreams_file(inputs.site).exists():
            return None
        urls = {name: f"http://127.0.0.1:{port}" for name, port in place.listens().items()}
        return _outputs(inputs, urls, process.drift(place, inputs.site, _ports(inputs)))

    def delete(self, inputs: RouterInputs) -> None:
        process.withdraw(router_place(inputs.folder), inputs.site)


def _outputs(inputs: RouterInputs, urls: Mapping[str, str], drift: list[str]) -> dict[str, object]:
    mine = {name: url for name, url in urls.items() if name in inputs.workloads}
    return {**inputs.model_dump(by_alias=True), "urls": mine, DRIFT: drift}


def _ports(inputs: RouterInputs) -> dict[str, tuple[int, ...]]:
    folder = site_folder(inputs.site_folder)
    return {name: found for name in inputs.workloads if (found := replicas.ports(folder, name))}


def _assigned(inputs: RouterInputs, kept: Weights) -> Weights:
    """What the assignment says of workloads that nobody has turned; the witness is asked only for those."""
    unknown = [name for name in inputs.workloads if name not in kept.by_workload]
    if not unknown:
        return kept
    assignment = open_witness(inputs.witness, inputs.environment).current()
    if assignment is None:
        raise WitnessUnsound(
            f"witness {inputs.witness} has no assignment of {inputs.environment}",
            hint="Its environment resource makes assignment 1: drstack up ENV.",
        )
    weights = {name: assignment.workloads[name].serves for name in unknown if name in assignment.workloads}
    return Weights(assignment.number, weights)
