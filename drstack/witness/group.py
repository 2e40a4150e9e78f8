"""A log to which many threads write at once: what they want to write while one write is under way goes into the next slot.

A far witness answers in tens of milliseconds, and an operation of fifty workloads writes hundreds of records: one after
another they would take most of its time. Records that share a slot are one record of kind `several`; readers take it apart.
Who reads meanwhile is told what a write, or a look, found that was begun after they had asked. Invariant: each decision
sees every record before its own, those of the same slot too, and is made anew when the slot is lost. A decision on what is
known already that writes nothing, or refuses, is made again on what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from drstack.witness.joining import Together
from replicator.errors import RecordCorrupt
from replicator.log.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.log.slots import SlotLog

    Decision = tuple[str, Mapping[str, Any]] | None
    Decide = Callable[[tuple[Record, ...]], Decision]

SEVERAL = "several"


class _Stale(Exception):
    """Something was decided not to be written, on records that may not be all there are."""


@dataclass(slots=True)
class _Wish:
    """One thread's decision, and what became of it; `decide` None: it is to be told what there is."""

    decide: Decide | None
    wrote: bool = False
    refusal: BaseException | None = None

    def result(self) -> bool:
        if self.refusal is not None:
            raise self.refusal
        return self.wrote


class GroupLog:
    """Records of a `SlotLog`, for any thread."""

    def __init__(self, log: SlotLog) -> None:
        self._log = log
        self._together = Together(self._write)
        self._known: tuple[Record, ...] = ()

    def known(self) -> tuple[Record, ...]:
        """What was read or written so far."""
        return self._known

    def read(self) -> tuple[Record, ...]:
        """Every record there is now. RecordCorrupt, StoreError."""
        self._settle(_Wish(None))
        return self._known

    def append(self, decide: Decide) -> bool:
        """Write what `decide` makes of all records so far. Whether it wrote; raises what `decide` raised, or StoreError."""
        return self._settle(_Wish(decide))

    def _settle(self, wish: _Wish) -> bool:
        self._together.hand_over(wish)
        return wish.result()

    def _write(self, wishes: Sequence[_Wish]) -> None:
        """Write all that is wished for now. A slot that was won, or found free, shows that all below it is known."""
        try:
            if all(wish.decide is None for wish in wishes):
                self._known = taken_apart(self._log.read())
                return
            try:
                self._log.append(lambda records: _decide(wishes, taken_apart(records), all_of_them=True), eager=True)
            except _Stale:
                self._log.append(lambda records: _decide(wishes, taken_apart(records), all_of_them=False))
            self._known = taken_apart(self._log.known)
        except BaseException as error:  # noqa: BLE001 - raised in each thread that wished for it
            for wish in wishes:
                wish.refusal = error


def _decide(wishes: Sequence[_Wish], records: tuple[Record, ...], *, all_of_them: bool) -> Decision:
    """One record of what is wished for. With `all_of_them`, _Stale where a wish comes to nothing."""
    made: list[tuple[str, Mapping[str, Any]]] = []
    seen = list(records)
    for wish in wishes:
        if wish.decide is None:
            continue
        wish.wrote, wish.refusal, decision = False, None, None
        try:
            decision = wish.decide(tuple(seen))
        except Exception as error:  # noqa: BLE001 - raised in the thread that wished for it
            wish.refusal = error
        if decision is not None:
            wish.wrote = True
            made.append(decision)
            seen.append(_not_yet(seen, *decision))
        elif all_of_them:
            raise _Stale
    if len(made) <= 1:
        return made[0] if made else None
    return SEVERAL, {"records": [{"kind": kind, "body": dict(body)} for kind, body in made]}


def _not_yet(before: Sequence[Record], kind: str, body: Mapping[str, Any]) -> Record:
    """How a record looks to the decisions that share its slot."""
    n = before[-1].n + 1 if before else 1
    return Record(n=n, previous=None, attempt="", kind=kind, at=0.0, body=body, digest="")


def taken_apart(records: Sequence[Record]) -> tuple[Record, ...]:
    """Records that share a slot, one by one, in their order; `n`, `at` and `digest` are the slot's. RecordCorrupt."""
    found: list[Record] = []
    for record in records:
        if record.kind == SEVERAL:
            try:
                parts = cast("list[dict[str, Any]]", record.body["records"])
                found += [replace(record, kind=str(part["kind"]), body=part["body"]) for part in parts]
            except (KeyError, TypeError) as error:
                raise RecordCorrupt(
                    f"slot {record.n} holds several records that cannot be told apart ({error!r})"
                ) from error
        else:
            found.append(record)
    return tuple(found)
