"""New keys in the place of a site's, effective by an assignment and not before it (DESIGN, rule 5).

In order: the new keys are made and brought to the site, which forgets the old ones; what is stored is wrapped to its new
reader; new terms are opened whose assignments list the new keys alone; then the old ones are revoked. All keys of a site
carry one number. Invariant: a rotation that was interrupted is taken up where it was, never begun a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.custody.ring import SITES, listed
from drstack.spec.keys import READER, key_name, number_of, site_of, site_roles
from replicator.crypto.founding import Wanted
from replicator.errors import ReplicatorError
from replicator.repository.custody import revoke, rewrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.spec import Environment
    from drstack.witness.assignment import Assignment
    from replicator.crypto.keyring import Keyring
    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust
    from replicator.repository.repository import Repository

_ROLES: dict[str, Role] = {"writer": "writer", "keeper": "keeper", "verifier": "verifier", READER: "recipient"}


@dataclass(frozen=True, slots=True)
class Successors:
    """The names of a site's keys that are to end, and the keys in their place."""

    site: str
    old: tuple[str, ...]
    new: tuple[Wanted, ...]

    def lists(self, trust: Trust, writer: str) -> tuple[str, ...]:
        """As `custody.ring.listed`, without what is to end."""
        return tuple(name for name in listed(trust, writer) if name not in self.old)


def successors(environment: Environment, site: str, trust: Trust) -> Successors:
    """What takes the place of the site's keys; of a rotation that was begun, what it began with. Pure."""
    mine = [key.name for key in trust.keys if site_of(key.name) == site and key.revoked is None]
    last = max(map(number_of, mine), default=0)
    begun = any(number_of(name) < last for name in mine)
    number = last if begun else last + 1
    new = tuple(
        Wanted(key_name(role, site, number), _ROLES[role], f"{SITES}/{site}") for role in site_roles(environment, site)
    )
    return Successors(site, tuple(name for name in mine if number_of(name) < number), new)


def writers_to_open(assignment: Assignment, made: Successors) -> tuple[str, ...]:
    """The sites that write something in a term that still lists an old key, or not yet a new one."""
    keepers = {each.name for each in made.new if each.role in ("keeper", "verifier")}
    behind = {
        part.writer
        for part in assignment.workloads.values()
        if not part.serves and (set(part.keys) & set(made.old) or not keepers <= set(part.keys))
    }
    return tuple(sorted(behind))


def wrap_to_reader(keys: Keyring, made: Successors, repositories: Mapping[str, Repository]) -> list[str]:
    """Have the site's new reader read what is stored. What could not be done, in words."""
    left: list[str] = []
    for reader in (each.name for each in made.new if each.role == "recipient"):
        for name, repository in repositories.items():
            try:
                rewrap(keys, repository, reader)
            except ReplicatorError as error:
                left.append(f"what {name} stores is not wrapped to {reader} yet: {error}")
    return left


def end_old(keys: Keyring, names: Sequence[str], repositories: Mapping[str, Repository], reason: str) -> None:
    """Revoke the old keys. StoreError where a repository cannot say how far its logs are: then none of the rest is."""
    for name in names:
        revoke(keys, name, reason, list(repositories.values()))
