"""Reads what a runbook is made of, from the witness and the environment file, and makes it. Touches no site."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.assembly import assemble, needs
from drstack.errors import EnvironmentUnknown
from drstack.recovery.estimate import estimate, past_durations
from drstack.runbook.book import Extra, book
from drstack.runbook.lost import structure, ways
from drstack.spec import resolve_url
from drstack.spec.sites import LocalSite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from drstack.recovery.estimate import Estimate
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.report.blocks import Page
    from drstack.spec import Environment

Doc = dict[str, Any]


class _Silent:
    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        del step, seconds, detail


def runbook(declared: Environment, root: Path, extra: Extra | None = None) -> tuple[Page, str]:
    """The page, and its structure's hash. WitnessUnreachable, WitnessUnsound; EnvironmentUnknown before the first `up`."""
    world = assemble(declared, root, None, progress=_Silent(), keyless=True)
    witness, state = resolve_url(declared.witness, root), resolve_url(declared.state, root)
    return written(declared, world, witness, extra or Extra(), state=state)


def written(declared: Environment, world: World, witness: str, extra: Extra, *, state: str) -> tuple[Page, str]:
    """`witness`, `state`: their addresses, resolved."""
    current = world.witness.current()
    if current is None:
        raise EnvironmentUnknown(
            f"the witness knows no {declared.environment} yet: there is nothing to plan",
            hint=f"drstack up {declared.environment}, then the same command.",
        )
    told = {site: world.witness.descriptor(site) for site in declared.sites}
    descriptors = {site: body for site, body in told.items() if body is not None}
    bounds = {site: _bound(declared, site, told[site]) for site in declared.sites}
    every = ways(world, current, bounds, partial(needs, declared))
    durations, operations = past_durations(world.witness)

    def expected(steps: Sequence[Step]) -> Estimate:
        return estimate(steps, durations, operations)

    return book(declared, every, expected, descriptors, witness, state, extra), structure(every)


def _bound(declared: Environment, site: str, descriptor: Mapping[str, Any] | None) -> int:
    """Worker slots that it can have; as declared, where it has published nothing yet."""
    if descriptor is not None and "maximum" in descriptor.get("capacity", {}):
        return int(descriptor["capacity"]["maximum"])
    there = declared.sites[site]
    return there.slots if isinstance(there, LocalSite) else 0
