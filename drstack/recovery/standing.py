"""Where an own step stands, by the records of its journal. Pure.

Invariant: a step that somebody began and nobody ended is open, and stays so until its executor settles it, is known to
have died, or was silent for longer than it could have taken. Only then its outcome is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.log.records import Record

Doc = dict[str, Any]
State = Literal["fresh", "open", "failed", "unknown", "again", "done"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`seen` counts the records about the step: when it grows, somebody is at work."""

    state: State = "fresh"
    seen: int = 0
    claim: str = ""
    """Of whoever began it last."""
    executor: Doc = field(default_factory=dict[str, Any])
    why: str = ""


def standing(records: Sequence[Record], step: str) -> Standing:
    """`failed`: it ended and did not do what it should. `again`: a person said that it did not happen."""
    now = Standing()
    for record in records:
        body = record.body
        if body.get("step") != step:
            continue
        seen = now.seen + 1
        ours = body.get("claim") == now.claim
        match record.kind:
            case "intent":
                now = Standing("open", seen, str(body.get("claim", "")), dict(body.get("executor", {})))
            case "failure" if ours and now.state != "again":
                state: State = "unknown" if body.get("unknown") else "failed"
                now = Standing(state, seen, now.claim, now.executor, str(body["why"]))
            case "again":
                now = Standing("again", seen, now.claim, now.executor)
            case "outcome":
                return Standing("done", seen, now.claim, now.executor)
            case _:
                now = Standing(now.state, seen, now.claim, now.executor, now.why)
    return now


def silent_s(timeout_s: float) -> float:
    """How long an executor that lives may write nothing about a step: a check, a try, a check after it, and a pause."""
    return 3 * timeout_s + 60.0
