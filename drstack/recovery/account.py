"""What the time of an operation went into, from the records of its journal: attempts, waits, how much ran side by side.

Pure. Invariant: only what was recorded is counted; an attempt whose end nobody recorded has none. An act of a kind that
this module does not know counts as work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.log.records import Record

Doc = dict[str, Any]
Span = tuple[float, float]
How = Literal["done", "failed", "skipped", "cut short", "open"]
WAITS_FOR = {
    "fence": "a fence", "lease": "a lease", "quiesce": "the run", "ship": "receipts", "capacity": "capacity", "start": "the run",
    "prove": "the run", "answers": "replicas", "approve": "a person", "wait": "a person", "person": "a person",
}  # fmt: skip
"""Per act what it waits for; acts that are not here work. An outcome's `result.waited`, seconds by name, says more."""
BLINK_S = 0.05
"""Between two steps, less than this is nobody's wait."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a step; unix seconds. `ended_at` is None where nobody recorded how it ended."""

    step: str
    began_at: float
    ended_at: float | None
    how: How
    why: str = ""
    by: str = ""


def attempts(records: Sequence[Record]) -> list[Attempt]:
    """Every try of every step, in the order in which they began.

    One without an end is `open` if nothing came of its step afterwards, else `cut short`: its operator died, or another
    was faster.
    """
    found: list[Attempt] = []
    pending: dict[str, list[Record]] = {}
    for record in records:
        step = str(record.body.get("step", ""))
        if record.kind == "intent":
            pending.setdefault(step, []).append(record)
        elif record.kind == "failure" and (begun := pending.get(step)):
            intent = begun.pop()
            found.append(_attempt(step, intent, _at(record), "failed", str(record.body.get("why", ""))))
        elif record.kind == "outcome":
            found.append(_settled(step, record, pending.get(step, [])))
    settled = {each.step for each in found if each.how in ("done", "skipped")}
    for step, begun in pending.items():
        for intent in begun:
            last = intent is begun[-1] and step not in settled
            found.append(_attempt(step, intent, None, "open" if last else "cut short"))
    return sorted(found, key=lambda each: each.began_at)


def _attempt(step: str, intent: Record, ended_at: float | None, how: How, why: str = "") -> Attempt:
    return Attempt(step, _at(intent), ended_at, how, why, str(intent.body.get("by", "")))


def _settled(step: str, outcome: Record, begun: list[Record]) -> Attempt:
    body = outcome.body
    began_at = float(body.get("began_at", outcome.at))
    mine = next((intent for intent in begun if _at(intent) == began_at), None)
    if mine is not None:
        begun.remove(mine)
    skipped = body.get("skipped")
    by = str(body.get("by") or (mine.body.get("by", "") if mine is not None else ""))
    how: How = "done" if skipped is None else "skipped"
    return Attempt(step, began_at, float(body.get("ended_at", outcome.at)), how, str(skipped or ""), by)


def _at(record: Record) -> float:
    return float(record.body.get("at", record.at))


def pauses(records: Iterable[Record], until: float) -> list[tuple[Span, str]]:
    """When nobody might begin a step, and who had said so."""
    found: list[tuple[Span, str]] = []
    since: Record | None = None
    for record in records:
        if record.kind == "pause" and since is None:
            since = record
        elif record.kind in ("resume", "end") and since is not None:
            found.append(((since.at, record.at), str(since.body.get("by", ""))))
            since = None
    return [*found, ((since.at, max(until, since.at)), str(since.body.get("by", "")))] if since is not None else found


def account(records: Sequence[Record]) -> Doc:
    """`utilisation`, `waited` (seconds by what was waited for on the critical path) and `critical` (that path).

    Empty where the journal holds no step that ended.
    """
    plan: Mapping[str, Any] = records[0].body if records else {}
    tried = attempts(records)
    ended = [each for each in tried if each.ended_at is not None and each.how in ("done", "failed")]
    if not ended:
        return {}
    began_at = float(plan.get("began_at", records[0].at))
    planned_at = float(plan.get("planned_at", began_at))
    until = max(each.ended_at or began_at for each in ended)
    acts = {name: str(step["act"]) for name, step in planned_steps(plan).items()}
    spans = [(each.began_at, each.ended_at or each.began_at) for each in ended]
    working = [span for span, each in zip(spans, ended, strict=True) if acts.get(each.step, "") not in WAITS_FOR]
    deciding = (began_at, planned_at)
    elapsed_s = until - began_at
    busy_s, anything_s = sum(end - begin for begin, end in spans), covered([deciding, *spans])
    paused = pauses(records, until)
    path = _critical(plan, records, ended, tried, paused)
    return {
        "utilisation": {
            "elapsed_s": round(elapsed_s, 6), "busy_s": round(busy_s, 6),
            "side_by_side": round(busy_s / elapsed_s, 4) if elapsed_s > 0 else None,
            "most_at_once": _most_at_once(spans),
            "waiting_share": round(1 - covered([deciding, *working]) / elapsed_s, 4) if elapsed_s > 0 else None,
            "idle_s": round(max(0.0, elapsed_s - anything_s), 6),
            "paused_s": round(covered([span for span, _ in paused]), 6),
        },
        "waited": _summed(path),
        "critical": path,
    }  # fmt: skip


def planned_steps(plan: Mapping[str, Any]) -> dict[str, Doc]:
    """By their ids; none of an operation of a version that had no steps."""
    told: list[Doc] = [step for step in plan.get("steps", ()) if isinstance(step, dict)]
    return {str(step["id"]): step for step in told}


def results_of(records: Iterable[Record]) -> dict[str, Doc]:
    """By step, the result of the outcome that stands: the first."""
    found: dict[str, Doc] = {}
    for record in records:
        if record.kind == "outcome":
            result: Doc = record.body.get("result") or {}
            found.setdefault(str(record.body.get("step")), result)
    return found


def covered(spans: Iterable[Span]) -> float:
    """Seconds in which at least one of the spans is."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _most_at_once(spans: Sequence[Span]) -> int:
    turns = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    most = running = 0
    for _, change in turns:
        running += change
        most = max(most, running)
    return most


def _critical(
    plan: Mapping[str, Any], records: Sequence[Record], ended: Sequence[Attempt], tried: Sequence[Attempt],
    paused: Sequence[tuple[Span, str]],
) -> list[Doc]:  # fmt: skip
    """Back from the last first step of a workload (else the last outcome), each time to what ended last before it."""
    done = {each.step: each for each in ended if each.how == "done"}
    results = results_of(records)
    goals = [each for each in done.values() if "first_step" in results.get(each.step, {})] or list(done.values())
    steps = planned_steps(plan)
    at = max(goals, key=_end, default=None)
    path: list[Doc] = []
    while at is not None:
        step = steps.get(at.step, {})
        befores = [done[name] for name in step.get("after", ()) if name in done]
        before = max(befores, key=_end, default=None)
        since = _end(before) if before is not None else float(plan.get("planned_at", at.began_at))
        gap = (since, max(since, at.began_at))
        path.append({
            "step": at.step, "after": before.step if before is not None else "plan", "seconds": round(_end(at) - at.began_at, 6),
            "for": _waited_for(str(step.get("act", "")), results.get(at.step, {}), _end(at) - at.began_at),
            "gap_s": round(gap[1] - gap[0], 6), "gap_for": _why_idle(at, gap, tried, paused),
        })  # fmt: skip
        at = before
    return path[::-1]


def _end(attempt: Attempt) -> float:
    return attempt.ended_at if attempt.ended_at is not None else attempt.began_at


def _waited_for(act: str, result: Mapping[str, Any], seconds: float) -> dict[str, float]:
    told: dict[str, Any] | None = result.get("waited")
    if told is not None:
        return {what: float(spent) for what, spent in told.items()}
    return {WAITS_FOR[act]: round(seconds, 6)} if act in WAITS_FOR else {}


def _why_idle(at: Attempt, gap: Span, tried: Sequence[Attempt], paused: Sequence[tuple[Span, str]]) -> str:
    """Why a step began later than it might have; nothing for the blink between two steps."""
    if any(begin < gap[1] and end > gap[0] for (begin, end), _ in paused):
        return "a person"
    earlier = [each for each in tried if each.step == at.step and each is not at and gap[0] <= each.began_at < gap[1]]
    if any(each.how == "failed" for each in earlier):
        return "another try"
    if gap[1] - gap[0] < BLINK_S:
        return ""
    running = [(each.began_at, each.ended_at) for each in tried if each.ended_at is not None and each is not at]
    inside = [(max(a, gap[0]), min(b, gap[1])) for a, b in running if a < gap[1] and b > gap[0]]
    return "its turn" if covered(inside) > 0.9 * (gap[1] - gap[0]) else "an operator"


def _summed(path: Iterable[Doc]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in path:
        for what, seconds in each["for"].items():
            found[what] = found.get(what, 0.0) + seconds
        if each["gap_for"]:
            found[each["gap_for"]] = found.get(each["gap_for"], 0.0) + each["gap_s"]
    return {what: round(seconds, 6) for what, seconds in sorted(found.items(), key=lambda item: -item[1])}
