"""An operator that dies at a chosen write to any of the stores."""

from __future__ import annotations

from contextlib import suppress

from replicator.stores.faults import FaultyStore
from tests.replicator.repository.rig import KillAt, Killed


class DyingAt(KillAt):
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
    counter = KillAt(10**9, before=True)
    with_faults(rig, counter)
    run()
    without_faults(rig)
    return counter.seen


def die_at(rig, n, run, *, count, before):
    """`run()` with a death at write n of about `count`. Steps side by side share writes, so that there may be some less."""
    faults = KillAt(n, before=before)
    with_faults(rig, faults)
    with suppress(Killed):
        run()
    without_faults(rig)
    assert faults.left < 0 or n > count // 2, f"{n} of {count} writes were not made"
