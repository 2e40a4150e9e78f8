"""Whose approvals count: k of n people, each by a signed word over one plan, while it is fresh. Pure.

Invariant: a word counts for one person, one environment, one kind of operation and one plan; it counts at the moment when
the operation began or now, and never again once another operation was begun by it. Every word that does not count says why.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from drstack.recovery.plan import BESIDE, Plan
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Doc = dict[str, Any]
SKEW_S = 120.0
"""How far the clock of who approved may be ahead."""
_MOVING = (
    "commit",
    "step",
    "saved_at",
    "source",
    "void",
    "seal",
    "unreachable",
    "loss_s",
    "why",
    "other",
    "still_since",
)
"""Of a workload: what goes on changing while people are asked. How much may be lost is bounded apart from it."""
_STEP = ("id", "act", "subject", "at", "after", "own")
_SAID = tuple(each.name for each in fields(Plan) if each.name not in ("workloads", "steps", *BESIDE))


@dataclass(frozen=True, slots=True)
class Quorum:
    """`expires_s`: seconds that an approval counts after it was given. `break_glass`: who may go on without."""

    of: tuple[str, ...]
    at_least: int
    expires_s: float
    break_glass: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is approved. `plan`: the whole digest of the plan, 64 hex digits."""

    environment: str
    environment_id: str
    kind: str
    plan: str


@dataclass(frozen=True, slots=True)
class Signed:
    """An approval whose signatures hold. `at` and `expires_at` are unix seconds by the clock of who gave it."""

    id: str
    person: str
    key: str
    subject: Subject
    at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is nobody's word: unsigned, forged, or by a key that does not count."""

    why: str


@dataclass(frozen=True, slots=True)
class Word:
    """An approval, and why it does not count, if it does not."""

    person: str
    key: str
    at: float | None
    expires_at: float | None
    why: str | None = None
    id: str = ""

    def document(self) -> Doc:
        return {
            "person": self.person, "key": self.key, "at": self.at, "expires_at": self.expires_at,
            "counts": self.why is None, "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tally:
    words: tuple[Word, ...]
    at_least: int
    given: tuple[str, ...]
    """People whose approval counts."""
    asked: tuple[str, ...]
    """People who may still give one."""

    @property
    def enough(self) -> bool:
        return len(self.given) >= self.at_least

    def counted(self) -> tuple[Word, ...]:
        """One word of each person that counts."""
        found = {word.person: word for word in self.words if word.why is None}
        return tuple(found.values())


def tally(
    quorum: Quorum,
    found: Sequence[Signed | Refused],
    subject: Subject,
    moments: Sequence[float],
    spent: Mapping[str, str],
) -> Tally:
    """Judge what was found. `moments`: unix seconds at which an approval may count, one of them is enough.

    `spent`: ids of approvals that an operation was begun by, with that operation.
    """
    words: list[Word] = []
    given: list[str] = []
    for each in found:
        if isinstance(each, Refused):
            words.append(Word("?", "?", None, None, each.why))
            continue
        why = _against(quorum, each, subject, moments, spent)
        if why is None and each.person in given:
            why = f"{each.person} has approved it already, and counts once"
        elif why is None:
            given.append(each.person)
        words.append(Word(each.person, each.key, each.at, each.expires_at, why, each.id))
    asked = tuple(name for name in quorum.of if name not in given)
    return Tally(tuple(words), quorum.at_least, tuple(given), asked)


def _against(
    quorum: Quorum, each: Signed, subject: Subject, moments: Sequence[float], spent: Mapping[str, str]
) -> str | None:
    if each.person not in quorum.of:
        return f"{each.person} is not among {', '.join(quorum.of)}"
    if each.subject != subject:
        return _of_another(each.subject, subject)
    if each.id in spent:
        return f"operation {spent[each.id]} was begun by it already"
    return _untimely(quorum, each, moments)


def _untimely(quorum: Quorum, each: Signed, moments: Sequence[float]) -> str | None:
    if each.expires_at - each.at > quorum.expires_s + 1:
        return f"it is to count for {each.expires_at - each.at:.0f} s; the environment allows {format_duration(quorum.expires_s)}"
    if any(each.at - SKEW_S <= moment <= each.expires_at for moment in moments):
        return None
    now = max(moments)
    if each.at - SKEW_S > now:
        return f"it was given {each.at - now:.0f} s from now: the clock of {each.person}, or this one, is wrong"
    return f"it expired {now - each.expires_at:.0f} s ago"


def _of_another(theirs: Subject, wanted: Subject) -> str:
    if (theirs.environment, theirs.environment_id) != (wanted.environment, wanted.environment_id):
        return f"it is for another environment, {theirs.environment} ({theirs.environment_id})"
    if theirs.kind != wanted.kind:
        return f"it is for a {theirs.kind}, not a {wanted.kind}"
    return f"it is for another plan, {theirs.plan[:16]}"


def covers(approved: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Why a plan of now is not what was approved; None where it is, but for a newer recovery point.

    Both are plan documents. Everything but what moves by itself has to be the same: target, assignment, workloads, steps,
    consents and their reason, and no more may be lost than was approved.
    """
    before, after = _essence(approved), _essence(now)
    if not before["consents"] and not after["consents"]:
        before["reason"] = after["reason"]
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if differ:
        return f"{', '.join(differ)} changed"
    bounds: dict[str, float | None] = {each["name"]: each["loss_bound_s"] for each in approved["workloads"]}
    for each in now["workloads"]:
        bound = bounds[each["name"]]
        if bound is not None and each.get("loss_s", 0.0) > bound:
            return f"{each['name']} would lose {each['loss_s']:.1f} s; {format_duration(bound)} were approved"
    return None


def _essence(plan: Mapping[str, Any]) -> Doc:
    """What has to stay as it was approved; lists where a plan that was not stored yet has tuples."""
    found: Doc = {name: _plain(plan.get(name)) for name in _SAID}
    found["steps"] = [{name: _plain(step.get(name)) for name in _STEP} for step in plan.get("steps", ())]
    for workload in plan["workloads"]:
        moving: Collection[str] = (*_MOVING, "rpo_s", "rto_s")
        said = {name: _plain(value) for name, value in workload.items() if name not in moving}
        found[f"workload {workload['name']}"] = said
    return found


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("Sequence[object]", value)]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in cast("dict[str, object]", value).items()}
    return value
