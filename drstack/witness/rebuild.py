"""What assignments a witness lacks, as the repositories' logs tell. Pure (DESIGN, rule 11).

An `open` copies its workload's part of the assignment that opened it. An assignment that opened nothing left no copy:
its number is filled with what stood. Invariants: no number that a log speaks of is given out again, one more is burnt
for an assignment that reached no log; where two logs, or a log and the witness, tell one number differently, nothing is
made of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from drstack.errors import WitnessUnsound
from drstack.witness.assignment import Assignment, Consent, WorkloadAssignment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.log.entries import Open

_OPERATION = re.compile(r"^([1-9][0-9]*)-[1-9][0-9]*$")


@dataclass(frozen=True, slots=True)
class LogWord:
    """What one repository's log of a workload says. `opens`: by term; `operations`: identities that seals name."""

    repository: str
    workload: str
    opens: Mapping[int, Open]
    sealed: int = 0
    operations: tuple[str, ...] = ()

    def furthest(self) -> int:
        """The highest assignment number that this log knows to have been made, or to have been wanted."""
        wanted = [int(found[1]) + 1 for each in self.operations if (found := _OPERATION.match(each))]
        return max([self.made(), *wanted])

    def made(self) -> int:
        """The highest that it knows to have been made."""
        return max([*self.opens, self.sealed], default=0)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`missing`: assignments to make, in order; none where nothing is missing. `furthest`: the last that a log knows."""

    missing: tuple[Assignment, ...]
    furthest: int
    filled: tuple[int, ...] = ()
    """Numbers of which no log has a copy: filled with what stood before them."""
    told_by: tuple[tuple[int, str], ...] = ()
    """Which repository each of the others was read from."""


def rebuild(
    known: Sequence[Assignment],
    words: Sequence[LogWord],
    *,
    by: str,
    reason: str,
    believe: str | None = None,
    burn: bool = True,
) -> Rebuilt:
    """What to append to `known` (all the witness has, from number 1).

    `believe`: the repository whose word counts where two logs differ. `burn`: whether to take one more, and those that
    were wanted; without, the next number is the one after what was made. WitnessUnsound where they differ without that, or
    where the witness itself tells a number differently.
    """
    _require_same(known, words)
    furthest = max((word.furthest() if burn else word.made() for word in words), default=0)
    if furthest <= len(known):
        return Rebuilt((), furthest)
    opened = _opened(words, believe)
    workloads: dict[str, WorkloadAssignment] = dict(known[-1].workloads) if known else {}
    consent = Consent(kind="override", value="witness repaired", reason=reason, by=by)
    made: list[Assignment] = []
    filled: list[int] = []
    told_by: list[tuple[int, str]] = []
    for number in range(len(known) + 1, furthest + (2 if burn else 1)):
        found = opened.get(number, {})
        workloads = {**workloads, **{name: part for name, (part, _) in found.items()}}
        alone = next((part for part, _ in found.values() if part.without_witness is not None), None)
        made.append(_made(number, workloads, consent, alone))
        told_by += [(number, repository) for repository in sorted({repository for _, repository in found.values()})]
        filled += [] if found or number > furthest else [number]
    return Rebuilt(tuple(made), furthest, tuple(filled), tuple(told_by))


def _made(
    number: int, workloads: Mapping[str, WorkloadAssignment], consent: Consent, alone: WorkloadAssignment | None
) -> Assignment:
    """`alone`: a part of it that was made without the witness, by an operation that is told as its maker."""
    mark = alone.without_witness if alone is not None else None
    if alone is None or mark is None:
        return Assignment(number=number, workloads=dict(workloads), cause="repair", consents=(consent,))
    consents = (consent, mark.consent(alone.writer))
    return Assignment(
        number=number, workloads=dict(workloads), cause="repair", operation=mark.operation, consents=consents
    )


def _opened(words: Sequence[LogWord], believe: str | None) -> dict[int, dict[str, tuple[WorkloadAssignment, str]]]:
    """By number and workload: the part that was opened, and who says so."""
    found: dict[int, dict[str, tuple[WorkloadAssignment, str]]] = {}
    for word in sorted(words, key=lambda each: (each.repository != believe, each.repository)):
        for term, opening in word.opens.items():
            part = part_of(opening, word)
            there = found.setdefault(term, {}).setdefault(word.workload, (part, word.repository))
            if there[0] != part and believe != there[1]:
                raise WitnessUnsound(
                    f"{there[1]} and {word.repository} tell assignment {term} differently for {word.workload}: "
                    f"{there[0].writer} writes, or {part.writer}",
                    hint=f"Find out which of them ran, and say it: --believe {there[1]}, or --believe {word.repository}.",
                )
    return found


def _require_same(known: Sequence[Assignment], words: Sequence[LogWord]) -> None:
    for word in words:
        for term, opening in word.opens.items():
            if term > len(known):
                continue
            there, told = known[term - 1].workloads.get(word.workload), part_of(opening, word)
            if there != told:
                raise WitnessUnsound(
                    f"assignment {term} of the witness says that {there.writer if there else 'nobody'} writes "
                    f"{word.workload}; {word.repository}'s log of it was opened for {told.writer} in that term",
                    hint="Two were made under one number. drstack promote ENV --to SITE --reason WHY makes a later one, which "
                    "ends both.",
                )


def part_of(opening: Open, word: LogWord) -> WorkloadAssignment:
    """The assignment's part that an `open` copies. WitnessUnsound where it holds none that can be read."""
    copied = opening.assignment
    if copied is None:
        return WorkloadAssignment(
            writer=opening.writer, term=opening.term, acknowledge=opening.acknowledge, heads=opening.heads,
            counters=opening.counters,
        )  # fmt: skip
    try:
        part = WorkloadAssignment.model_validate(copied["workload"])
    except (KeyError, ValidationError) as error:
        raise WitnessUnsound(
            f"{word.repository}: the open of term {opening.term} of {word.workload} copies no assignment: {error}",
            hint="Leave this repository out with --without, if another one tells it too.",
        ) from error
    if (part.term, part.writer) != (opening.term, opening.writer):
        raise WitnessUnsound(
            f"{word.repository}: the open of term {opening.term} of {word.workload} for {opening.writer} copies one of term "
            f"{part.term} for {part.writer}",
            hint="Leave this repository out with --without, if another one tells it too.",
        )
    return part
