"""Whether the service lives, and whether it could do its work now. Pure: probing is the caller's.

A destination that is away does not make it unready: restarting a replicator brings no store back, and what is shipped
to the others must go on. It is named all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIVES_S = 60.0
"""A main loop that has not come round for so long hangs."""
_READS_S = 60.0


@dataclass(frozen=True, slots=True)
class Facts:
    """`round_at`: when the main loop last came round; `looked_at`: per workload, when its log was last read (unix s)."""

    round_at: float
    looked_at: Mapping[str, float | None]
    spool: str | None
    """Why the spool cannot be written; None if it can."""
    contact_at: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    document: Mapping[str, object]


def lives(facts: Facts, now: float) -> Health:
    silent = now - facts.round_at
    return Health(silent <= _LIVES_S, {"alive": silent <= _LIVES_S, "last_round_s": round(silent, 1)})


def ready(facts: Facts, now: float) -> Health:
    """Every workload's log was read lately, and the spool takes what a trainer saves."""
    unread = sorted(name for name, at in facts.looked_at.items() if at is None or now - at > _READS_S)
    contacts = {name: None if at is None else round(now - at, 1) for name, at in facts.contact_at.items()}
    ok = not unread and facts.spool is None
    return Health(
        ok,
        {
            "ready": ok,
            "logs_not_read": unread,
            "spool": facts.spool or "writable",
            "last_contact_s": contacts,
        },
    )
