"""Winning or losing a slot: the one place where a create's outcome is decided (DESIGN, rule 2).

"Exists" is read back and compared: equal bytes are ours, for every body carries a random attempt id. An unknown
outcome is read; if nothing is there, the same bytes are sent again, which a create-only store makes harmless.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Claim:
    """`ours`: the slot holds our bytes. Otherwise `found` holds somebody else's."""

    ours: bool
    found: bytes


def claim(
    store: ObjectStore, key: str, body: bytes, *, tries: int = 5, sleep: Callable[[float], None] = time.sleep
) -> Claim:
    """Create `key` with `body`, or read who did. OutcomeUnknown if nobody could say after `tries`."""
    trouble: Exception | None = None
    for round_ in range(tries):
        if round_:
            sleep(min(0.05 * 2**round_, 2.0))
        try:
            store.create(key, body)
        except KeyExists:
            pass
        except (OutcomeUnknown, StoreUnavailable) as error:
            trouble = error
        else:
            return Claim(ours=True, found=body)
        try:
            found = store.get(key)
        except (KeyMissing, StoreUnavailable) as error:
            trouble = error
            continue
        return Claim(ours=found == body, found=found)
    raise OutcomeUnknown(f"{store.url}: nobody could say whether {key} was written: {trouble}") from trouble
