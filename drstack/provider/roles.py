"""drstack:witness:getRoles: what a site is for each workload, read at every preview and update (DESIGN, rule 10).

The witness says; away, the newest `open` of the site's own repository does, marked stale; neither: unknown. Invariant:
a term lower than one that the repository has seen is never believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drstack.errors import WitnessUnreachable
from drstack.provider.kind import Inputs
from drstack.provider.opens import newest_opens
from drstack.provider.reach import open_witness
from drstack.provider.repositories import keys_at
from drstack.provider.sites import Name  # noqa: TC001 - pydantic reads it when it runs
from replicator.errors import KeyAbsent, Untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.witness.assignment import Assignment
    from replicator.log.entries import Open

TOKEN = "drstack:witness:getRoles"  # noqa: S105 - a function's token
Role = Literal["writer", "standby", "unknown"]
Source = Literal["witness", "repository", "declared", "none"]


class RolesArguments(Inputs):
    witness: str
    environment: Name
    site: Name
    repository: str
    primary: Name
    workloads: tuple[Name, ...]
    keys: str | None = None
    """The operator's folder of the environment's trust file; None where nothing is signed."""


@dataclass(frozen=True, slots=True)
class Roles:
    roles: Mapping[str, Role]
    source: Source
    stale: bool
    number: int
    """Of the assignment; 0 where none is known."""

    def outputs(self) -> dict[str, object]:
        return {"roles": dict(self.roles), "source": self.source, "stale": self.stale, "number": self.number}


def get_roles(arguments: RolesArguments) -> Roles:
    opens = _opens(arguments)
    try:
        assignment, reachable = open_witness(arguments.witness, arguments.environment).current(), True
    except WitnessUnreachable:
        assignment, reachable = None, False
    return decide_roles(arguments.site, arguments.primary, arguments.workloads, assignment, opens, reachable=reachable)


def _opens(arguments: RolesArguments) -> dict[str, Open]:
    """None where this machine has no trust file, as in a CI that previews: the witness alone is heard then."""
    try:
        keys = keys_at(arguments.keys, arguments.environment)
    except (KeyAbsent, Untrusted):
        return {}
    return newest_opens(arguments.repository, arguments.workloads, keys)


def decide_roles(
    site: str,
    primary: str,
    workloads: Sequence[str],
    assignment: Assignment | None,
    opens: Mapping[str, Open],
    *,
    reachable: bool,
) -> Roles:
    """`assignment` None with `reachable`: the witness is empty."""
    seen = max((entry.term for entry in opens.values()), default=0)
    number = assignment.number if assignment else 0
    if reachable and number >= seen:
        roles = {name: _assigned(site, primary, name, assignment) for name in workloads}
        return Roles(roles, "witness" if assignment else "declared", stale=False, number=number)
    roles: dict[str, Role] = {name: _opened(site, opens.get(name)) for name in workloads}
    return Roles(roles, "repository" if opens else "none", stale=True, number=seen)


def _assigned(site: str, primary: str, workload: str, assignment: Assignment | None) -> Role:
    """A workload that the assignment does not know will be opened with the declared primary as its writer."""
    known = assignment is not None and workload in assignment.workloads
    writer = assignment.writer(workload) if known and assignment else primary
    return "writer" if writer == site else "standby"


def _opened(site: str, entry: Open | None) -> Role:
    if entry is None:
        return "unknown"
    return "writer" if entry.writer == site else "standby"
