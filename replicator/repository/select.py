"""A selector names one checkpoint; what it says is parsed apart from what there is.

`latest` · `TERM.HEIGHT` · `step:N` · `step:<=N` (the newest not after a step) · a time, or `2h ago` (the newest not saved
after it) · `pin:NAME`, or the bare name of a pin. "Newest" is the greatest (term, height) among those that qualify,
never the clock (DESIGN, rule 14). Only an exact name ever gives a suspect or damaged one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from replicator.errors import NothingToRestore
from replicator.log.lineage import newest_first
from replicator.model import CommitId
from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from replicator.log.replay import Accepted, LogView
    from replicator.repository.repository import Repository

USE = "Use latest, TERM.HEIGHT, step:N, step:<=N, a time as 2026-11-20T03:00 (UTC), '2h ago', or pin:NAME."
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)(?:in)?\s+ago")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Selector:
    """`text` as it was given. `exact` names one checkpoint, whatever is known of it; the others choose among sound ones."""

    text: str
    commit: CommitId | None = None
    step: int | None = None
    pin: str | None = None
    at_most_step: int | None = None
    at_most_time: float | None = None
    """Unix seconds."""

    @property
    def exact(self) -> bool:
        return self.commit is not None or self.step is not None or self.pin is not None


def parse(text: str, *, now: float) -> Selector:
    """NothingToRestore, with the forms that there are, if it is none of them. `now` in unix seconds."""
    if text == "latest":
        return Selector(text)
    if match := re.fullmatch(r"(\d+)\.(\d+)", text):
        return Selector(text, commit=CommitId(int(match[1]), int(match[2])))
    if match := re.fullmatch(r"step:(<=)?(\d+)", text):
        return Selector(text, at_most_step=int(match[2])) if match[1] else Selector(text, step=int(match[2]))
    if text.startswith("pin:"):
        return Selector(text, pin=text.removeprefix("pin:"))
    at = _time(text.removeprefix("time:"), now)
    if at is not None:
        return Selector(text, at_most_time=at)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        return Selector(text, pin=text)
    raise NothingToRestore(f"{text!r} names no checkpoint", hint=USE)


def _time(text: str, now: float) -> float | None:
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: float(match[1])}).total_seconds()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def candidates(
    selector: Selector, ordered: Sequence[Accepted], pins: Mapping[str, CommitId], suspect: Callable[[Accepted], bool]
) -> Iterator[Accepted]:
    """What the selector allows of `ordered`, which comes best first. A suspect one only where the selector is exact."""
    for each in ordered:
        if selector.exact:
            if _is_named(selector, each, pins):
                yield each
        elif _is_allowed(selector, each) and not suspect(each):
            yield each


def _is_named(selector: Selector, each: Accepted, pins: Mapping[str, CommitId]) -> bool:
    if selector.commit is not None:
        return each.what.id() == selector.commit
    if selector.pin is not None:
        return each.what.id() == pins.get(selector.pin)
    return each.what.step == selector.step


def _is_allowed(selector: Selector, each: Accepted) -> bool:
    if selector.at_most_step is not None:
        return each.what.step <= selector.at_most_step
    return selector.at_most_time is None or each.what.saved_at <= selector.at_most_time


def select(repository: Repository, workload: str, selector: str) -> Accepted:
    """The commit that `selector` names. NothingToRestore if none stands.

    Unless it is exact, commits that are suspect, or that a verifier found damaged, are passed over. One of a branch that
    a promotion left is taken only where there is no other; `TERM.HEIGHT` takes it by name.
    """
    view = repository.log(workload).view()
    wanted = parse(selector, now=repository.clock())

    def suspect(each: Accepted) -> bool:
        return is_suspect(repository, workload, each)

    for accepted in candidates(wanted, newest_first(view), view.pins, suspect):
        if wanted.exact or not repository.receipts.damaged(workload, accepted.slot):
            return accepted
    raise nothing(wanted, f"{repository.store.url}: {workload}", [view])


def nothing(wanted: Selector, where: str, views: list[LogView]) -> NothingToRestore:
    """The error that says why no checkpoint was found."""
    if wanted.commit is not None:
        void = (void.reason for view in views for void in view.void if void.commit == wanted.commit)
        return NothingToRestore(
            f"{where} {wanted.commit} does not stand: {next(void, 'it was never committed, or was dropped')}"
        )
    if wanted.step is not None:
        return NothingToRestore(f"{where} has no checkpoint of step {wanted.step}")
    if wanted.pin is not None:
        return NothingToRestore(f"{where} has no pin {wanted.pin!r}, and {wanted.text!r} is nothing else", hint=USE)
    rest = "" if wanted.text == "latest" else f" and was saved at or before {wanted.text}"
    return NothingToRestore(f"{where} has no checkpoint that is neither suspect nor damaged{rest}")
