"""Looking up a resource whose creation was cut off, by the name that it was to have.

Decides for which types a look-up is needed at all. Invariant: "not there" is only said by who can tell; a type that
nobody can look up is unknown, never absent, since creating it again could make it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import JsonValue

CONVERGENT = frozenset({"drstack", "pulumi"})
"""Packages whose create is convergent and named deterministically: it takes up what is there already, so a pending
create is dropped and made again. Ours is written so; `pulumi` is providers and stack references, which exist in the
state only."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that exists, as the provider would have returned it."""

    id: str
    outputs: Mapping[str, JsonValue]


class LookupImpossible(Exception):
    """Nobody here can tell whether a resource of this type exists."""


class Lookup(Protocol):
    """Finds a resource by its deterministic name or tag."""

    def __call__(self, urn: str, type_: str, inputs: Mapping[str, JsonValue]) -> Found | None:
        """The resource, or None if it certainly does not exist. LookupImpossible; ActuatorFailed if not reachable."""
        ...


def package(type_: str) -> str:
    """`aws` of `aws:s3/bucket:Bucket`."""
    return type_.partition(":")[0]


class ByPackage:
    """Asks the look-up of a resource's package."""

    def __init__(self, lookups: Mapping[str, Lookup], *, convergent: Collection[str] = CONVERGENT) -> None:
        self._lookups = lookups
        self._convergent = convergent

    def __call__(self, urn: str, type_: str, inputs: Mapping[str, JsonValue]) -> Found | None:
        """As `Lookup`."""
        found = self._lookups.get(package(type_))
        if found is not None:
            return found(urn, type_, inputs)
        if package(type_) in self._convergent:
            return None
        raise LookupImpossible(f"no look-up for {package(type_)}")
