"""An operation as one trace: identities that follow from the operation alone, and what its spans say. Pure.

Whoever executes a step, wherever, arrives at the same trace and at the same root below which its spans hang: both follow
from the environment's name, the operation's, and the digest of the plan in its journal. Invariant: attributes are names,
times and outcomes; no reason, no detail, no definition of anybody's step goes into them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.steps import Step
    from replicator.log.records import Record

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Ids in hex; unix seconds. `error`: why it failed; None where it did not."""

    trace: str
    id: str
    parent: str | None
    name: str
    began_at: float
    ended_at: float
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    error: str | None = None


class Spans(Protocol):
    """Where spans go as they end. For any thread."""

    def ended(self, span: Span) -> None:
        """Never raises, never waits."""
        ...


class NoSpans:
    """Where nobody asked for traces."""

    def ended(self, span: Span) -> None:
        del span


def trace_id(environment: str, operation: str, plan_digest: str) -> str:
    """32 hex digits, as W3C Trace Context writes them. `plan_digest`: of the first record of its journal."""
    return _hex("trace", environment, operation, plan_digest)[:32]


def step_span(
    environment: str, operation: str, records: Sequence[Record], step: Step, by: str, *, began_at: float, ended_at: float,
    error: BaseException | None,
) -> Span:  # fmt: skip
    """One try of a step, by one operator. `records`: of the operation's journal, the plan first."""
    plan = records[0].body
    told = {
        **_common(environment, operation, plan), "drstack.step": step.id, "drstack.act": step.act, "drstack.operator": by,
        "drstack.outcome": "done" if error is None else "failed", "drstack.site": step.at or _site(step),
        "drstack.workload": step.subject if step.subject in _workloads(plan) else "",
        "error.type": type(error).__name__ if error is not None else "",
    }  # fmt: skip
    trace = trace_id(environment, operation, records[0].digest)
    return Span(
        trace, _hex("step", trace, step.id, repr(began_at), by)[:16], _root(trace), step.id, began_at, ended_at,
        {name: value for name, value in told.items() if value}, None if error is None else str(error),
    )  # fmt: skip


def operation_spans(environment: str, operation: str, records: Sequence[Record]) -> list[Span]:
    """The root, with what was decided before its first step; none while it has not ended."""
    end = next((record for record in records if record.kind == "end"), None)
    if end is None:
        return []
    plan, result = records[0].body, str(end.body.get("result", ""))
    trace = trace_id(environment, operation, records[0].digest)
    began_at, by = float(plan.get("began_at", records[0].at)), str(plan.get("by") or "")
    common = _common(environment, operation, plan) | ({"drstack.operator": by} if by else {})
    error = result if result in ("aborted", "abandoned", "superseded", "failed") else None
    root = Span(
        trace, _root(trace), None, f"{plan.get('kind', 'promote')} {environment}", began_at, max(end.at, began_at),
        {**common, "drstack.result": result}, error,
    )  # fmt: skip
    found, since = [root], began_at
    for name in ("facts", "plan"):
        until = plan.get("facts_at" if name == "facts" else "planned_at")
        if until is not None:
            found.append(Span(trace, _hex(name, trace)[:16], root.id, name, since, float(until), common))
            since = float(until)
    return found


def _common(environment: str, operation: str, plan: Any) -> dict[str, str]:
    return {
        "drstack.environment": environment, "drstack.operation": operation,
        "drstack.kind": str(plan.get("kind", "promote")), "drstack.target": str(plan.get("target", "")),
    }  # fmt: skip


def _site(step: Step) -> str:
    return step.subject if step.act in ("fence", "lease") else ""


def _workloads(plan: Any) -> set[str]:
    return {str(each["name"]) for each in plan.get("workloads", ())}


def _root(trace: str) -> str:
    return _hex("root", trace)[:16]


def _hex(*parts: str) -> str:
    return hashlib.sha256("\0".join(("drstack", *parts)).encode()).hexdigest()
