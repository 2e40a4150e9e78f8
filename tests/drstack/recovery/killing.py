"""An operator that dies at a chosen write to any of the stores."""

from __future__ import annotations

from contextlib import suppress

from replicator.stores.faults import FaultyStore


class Killed(BaseException):
    """Stands for the death of the operator's process: nothing may catch it."""


class KillAfter:
    """Dies right after (or right before) the n-th write to any store of the world, and at each after that."""

    def __init__(self, n: int, *, before: bool) -> None:
        self.left, self.when = n, before

    def before(self, verb: str, key: str) -> None:
        if self.when and verb == "create":
            self._count()

    def after(self, verb: str, key: str) -> None:
        if not self.when and verb == "create":
            self._count()

    def filter(self, key: str, body: bytes) -> bytes:
        return body

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class DyingAt(KillAfter):
    """Dies right before it writes a key with this in it."""

    def __init__(self, part):
        super().__init__(0, before=True)
        self.part = part

    def before(self, verb, key):
        if verb == "create" and self.part in key:
            raise Killed


def with_faults(rig, faults):
    """Everything that this rig or fleet opens from now on, behind these faults."""
    rig.wrap = lambda *told: FaultyStore(told[-1], faults)


def without_faults(rig):
    rig.wrap = lambda *told: told[-1]


def writes_of(rig, run) -> int:
    """How many writes `run()` makes undisturbed."""
    counter = KillAfter(10**9, before=True)
    with_faults(rig, counter)
    run()
    without_faults(rig)
    return 10**9 - counter.left


def die_at(rig, n, run, *, count, before):
    """`run()` with a death at write n of about `count`. Steps side by side share writes, so that there may be some less."""
    faults = KillAfter(n, before=before)
    with_faults(rig, faults)
    with suppress(Killed):
        run()
    without_faults(rig)
    assert faults.left < 0 or n > count // 2, f"{n} of {count} writes were not made"
