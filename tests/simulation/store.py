"""An actor's handle on a store in memory. It gives way wherever others could tell when the operation happened.

A read of an object that is there and is never deleted gives way to nobody: it returns the same whenever it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreUnavailable
from tests.simulation.schedule import Operation, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.schedule import Actor

FAULTS = ("lost", "unsent", "late")
DELETABLE = "packs/"


class SimStore:
    """`objects` are shared with all other handles. `reachable` is asked at every operation."""

    def __init__(
        self,
        name: str,
        objects: dict[str, bytes],
        actor: Actor,
        reachable: Callable[[], bool],
        faults: tuple[str, ...] = FAULTS,
    ) -> None:
        self._faults = faults
        self._name = name
        self._objects = objects
        self._actor = actor
        self._reachable = reachable

    @property
    def url(self) -> str:
        return f"sim://{self._name}"

    def create(self, key: str, body: bytes) -> None:
        outcome = self._step("create", key, self._faults)
        exists = key in self._objects
        if outcome == "late":
            self._actor.scheduler.under_way.append(Write(self._name, self._objects, key, body))
        elif outcome in ("go", "lost"):
            self._objects.setdefault(key, body)
        self._actor.told("create", key, outcome, exists if outcome == "go" else None)
        if outcome != "go":
            raise OutcomeUnknown(f"{self._name}: {key}: {outcome}")
        if exists:
            raise KeyExists(f"{self._name}: {key}")

    def get(self, key: str) -> bytes:
        if not self._settled(key):
            self._step("get", key)
        body = self._objects.get(key)
        self._actor.told("get", key, body is None)
        if body is None:
            raise KeyMissing(f"{self._name}: {key}")
        return body

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.get(key)[offset : offset + length]

    def size(self, key: str) -> int:
        return len(self.get(key))

    def list(self, prefix: str) -> Iterator[str]:
        self._step("list", prefix)
        found = sorted(key for key in self._objects if key.startswith(prefix + "/"))
        self._actor.told("list", prefix, tuple(found))
        return iter(found)

    def delete(self, key: str) -> None:
        self._step("delete", key)
        self._objects.pop(key, None)

    def _settled(self, key: str) -> bool:
        return self._reachable() and key in self._objects and not key.startswith(DELETABLE)

    def _step(self, verb: str, key: str, faults: tuple[str, ...] = ()) -> str:
        outcome = self._actor.step(Operation(f"{verb} {self._name} {_short(key)}", faults))
        if not self._reachable():
            self._actor.told("away", self._name)
            raise StoreUnavailable(f"{self._name} is away")
        return outcome


def _short(key: str) -> str:
    folder, _, name = key.rpartition("/")
    return f"{folder}/{int(name)}" if name.isdigit() else key


class Still:
    """The same objects, for looking at them when the run is over."""

    def __init__(self, name: str, objects: dict[str, bytes]) -> None:
        self._name = name
        self._objects = objects

    @property
    def url(self) -> str:
        return f"sim://{self._name}"

    def create(self, key: str, body: bytes) -> None:
        if key in self._objects:
            raise KeyExists(key)
        self._objects[key] = body

    def get(self, key: str) -> bytes:
        if key not in self._objects:
            raise KeyMissing(key)
        return self._objects[key]

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.get(key)[offset : offset + length]

    def size(self, key: str) -> int:
        return len(self.get(key))

    def list(self, prefix: str) -> Iterator[str]:
        return iter([key for key in self._objects if key.startswith(prefix + "/")])

    def delete(self, key: str) -> None:
        self._objects.pop(key, None)
