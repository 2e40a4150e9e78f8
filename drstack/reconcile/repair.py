"""What a killed update left, and what is to be done about it: decided from values only.

An engine that is killed leaves its lock, its language hosts and plugins, and in the state a `creating` operation for
each resource whose creation was under way. A plain `pulumi up` would only warn of those and create them again.
Invariant: nothing is created twice and nothing that exists is forgotten; where that cannot be known, the repair is
refused, with what a person can do. A lock is broken only if its holder certainly is gone: this host, no such process.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from drstack.reconcile.lookup import Found

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import JsonValue

    from drstack.reconcile.locks import Lock

State = dict[str, object]
Resource = dict[str, object]
Sighting = Found | None | Literal["unknown"]
CREATING = "creating"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a stack cannot be repaired from here, and what to do."""

    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class Holders:
    """What is known of those who hold locks: this host's name, and ids of engines that live on it."""

    host: str
    alive: Collection[int]


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was under way. `kind` is creating, updating, deleting, reading or importing."""

    kind: str
    urn: str
    type: str
    inputs: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Repair:
    """What to do to a state: resources to adopt, operations to drop; afterwards a refresh sees what is true."""

    adopt: tuple[tuple[Pending, Found], ...] = ()
    drop: tuple[Pending, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.adopt or self.drop)


def judge_locks(stack: str, locks: Sequence[Lock], holders: Holders) -> Refusal | None:
    """None if every lock's holder is certainly gone."""
    for lock in locks:
        cancel = f"pulumi cancel --yes --stack {stack}"
        if not lock.readable:
            return Refusal(f"stack {stack} has a lock that cannot be read: {lock.key}", f"If no update runs: {cancel}")
        who = f"process {lock.pid} of {lock.user or 'somebody'} on {lock.host}"
        if lock.host != holders.host:
            return Refusal(
                f"stack {stack} is locked by {who}, which cannot be seen from {holders.host}",
                f"Run the command on {lock.host}; or, if that machine certainly is gone: {cancel}",
            )
        if lock.pid in holders.alive:
            return Refusal(f"stack {stack} is locked by {who}, which still runs", "Wait until that update has ended.")
    return None


def pending(state: State) -> list[Pending]:
    """Operations that were under way when the state was written."""
    found: list[Pending] = []
    for operation in _list(_deployment(state), "pending_operations"):
        resource = cast("Resource", operation["resource"])
        inputs = cast("Mapping[str, JsonValue]", resource.get("inputs") or {})
        found.append(Pending(str(operation["type"]), str(resource["urn"]), str(resource["type"]), inputs))
    return found


def plan_repair(stack: str, operations: Sequence[Pending], seen: Mapping[str, Sighting]) -> Repair | Refusal:
    """What to do about pending operations; `seen` tells for the URN of each `creating` what a look-up found.

    A pending update, delete or read is of a resource that stands in the state: only the operation is dropped, and
    the refresh reads what became of it. An import is asked for again by the program.
    """
    creating = [operation for operation in operations if operation.kind == CREATING]
    unknown = [operation.urn for operation in creating if seen[operation.urn] == "unknown"]
    if unknown:
        listed = "".join(f"\n  {urn}" for urn in unknown)
        return Refusal(
            f"stack {stack}: creation was cut off, and whether these exist cannot be looked up from here:{listed}",
            f"Look for them; then pulumi refresh --stack {stack} asks for the id of each, and drops those without.",
        )
    adopt = tuple((operation, found) for operation in creating if isinstance(found := seen[operation.urn], Found))
    kept = {operation.urn for operation, _ in adopt}
    drop = tuple(operation for operation in operations if operation.kind != CREATING or operation.urn not in kept)
    return Repair(adopt, drop)


def mended(state: State, repair: Repair) -> State:
    """The state after the repair; the one given is left as it is.

    Where a replacement was cut off, the resource to be replaced still stands under the same URN. If what was found
    is another one, the old one is marked for deletion, as the engine would have done.
    """
    result = deepcopy(state)
    deployment = _deployment(result)
    cut_off = {
        str(cast("Resource", operation["resource"])["urn"]): cast("Resource", operation["resource"])
        for operation in _list(deployment, "pending_operations")
        if operation["type"] == CREATING
    }
    resources = _list(deployment, "resources")
    for operation, found in repair.adopt:
        standing = [one for one in resources if one["urn"] == operation.urn and not one.get("delete")]
        if any(one.get("id") == found.id for one in standing):
            continue
        for one in standing:
            one["delete"] = True
        resources.append(cut_off[operation.urn] | {"id": found.id, "outputs": dict(found.outputs)})
    deployment["resources"] = resources
    deployment.pop("pending_operations", None)
    return result


def _deployment(state: State) -> dict[str, object]:
    return cast("dict[str, object]", state.get("deployment") or {})


def _list(deployment: dict[str, object], name: str) -> list[Resource]:
    return cast("list[Resource]", deployment.get(name) or [])
