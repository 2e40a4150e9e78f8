"""What holds of a file that may not hold as a whole.

Decides what the rules can judge when some fields are wrong. Invariant: a part that is wrong in itself is absent here,
while its name still counts as declared, so that one slip does not make a second fault elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from drstack.spec.approvals import Approvals
from drstack.spec.drills import Drills
from drstack.spec.promotion import Leases, Promotion
from drstack.spec.replication import Link, Replication
from drstack.spec.sites import Site, settled
from drstack.spec.steps import OwnStep
from drstack.spec.workloads import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.spec.environment import Environment

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Draft:
    """A value of None: declared, but wrong in itself. A mapping of None: wrong as a whole."""

    environment: str | None
    witness: str | None
    state: str | None
    primary: str | None
    sites: Mapping[str, Site | None] | None
    workloads: Mapping[str, Workload | None] | None
    replication: Replication | None
    links: tuple[Link, ...] | None
    leases: Leases | None
    leases_declared: bool
    promotion: Promotion | None
    drills: Drills | None
    steps: Mapping[str, OwnStep | None] | None
    approvals: Approvals | None


def whole(environment: Environment) -> Draft:
    return Draft(
        environment=environment.environment,
        witness=environment.witness,
        state=environment.state,
        primary=environment.primary,
        sites=environment.sites,
        workloads=environment.workloads,
        replication=environment.replication,
        links=environment.links,
        leases=environment.leases,
        leases_declared=environment.leases is not None,
        promotion=environment.promotion,
        drills=environment.drills,
        steps=environment.steps,
        approvals=environment.approvals,
    )


def salvage(value: object) -> Draft:
    """The parts of a faulty file that hold by themselves."""
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    sites = _each(fields.get("sites"), TypeAdapter[Site](Site))
    environment = _text(fields.get("environment"))
    whose = environment or "environment"
    named = {name: site and settled(whose, name, site) for name, site in sites.items()} if sites is not None else None
    return Draft(
        environment=environment,
        witness=_text(fields.get("witness")),
        state=_text(fields.get("state")),
        primary=_text(fields.get("primary", next(iter(named or ()), None))),
        sites=named,
        workloads=_each(fields.get("workloads"), TypeAdapter(Workload)),
        replication=_part(fields.get("replication", {}), TypeAdapter(Replication)),
        links=_part(fields.get("links", ()), TypeAdapter(tuple[Link, ...])),
        leases=_part(fields.get("leases"), TypeAdapter(Leases)),
        leases_declared="leases" in fields,
        promotion=_part(fields.get("promotion", {}), TypeAdapter(Promotion)),
        drills=_part(fields.get("drills"), TypeAdapter(Drills)),
        steps=_each(fields.get("steps", {}), TypeAdapter(OwnStep)),
        approvals=_part(fields.get("approvals", {}), TypeAdapter(Approvals)),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _each(value: object, adapter: TypeAdapter[Part]) -> dict[str, Part | None] | None:
    if not isinstance(value, dict):
        return None
    return {name: _part(part, adapter) for name, part in cast("dict[str, object]", value).items()}


def _part(value: object, adapter: TypeAdapter[Part]) -> Part | None:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None
