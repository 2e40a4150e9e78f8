"""What observers leave on the witness: what each sees, the repairs that were tried, and a person's hold.

`observations/<observer>/<n>`, `repairs/<site>/<n>` and `holds/<n>`, dense and create-only. An observer writes when what it
sees changes, and otherwise as often as it promised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from drstack.automatic.sight import Sight
from drstack.witness.guard import guarded
from replicator.errors import RecordCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.automatic.policy import Remedy
    from drstack.witness.witness import Witness
    from replicator.log.records import Record


class Word(BaseModel):
    """One record of an observer. `wall`: unix seconds by its clock, by which only clocks are compared."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    observer: str
    place: str
    """The machine that it runs on."""
    at: str | None
    """The site that it runs in, if any."""
    wall: float
    promised_s: float
    """How soon it speaks again."""
    sight: Sight
    busy: bool = False
    """It carries out an operation, and looks at nothing meanwhile: the sight is its last."""
    act: str
    reason: str
    """What it would do, and why."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An observer's last record. `at`: unix seconds that it was stamped with, for people."""

    n: int
    at: float
    word: Word


@dataclass(frozen=True, slots=True)
class Repair:
    n: int
    site: str
    remedy: Remedy
    workload: str
    by: str
    reason: str
    at: float
    result: str | None
    """None while nobody says how it ended."""


class Observations:
    """One observer's records. Not for use by two threads at once."""

    def __init__(self, witness: Witness, observer: str) -> None:
        self._url = witness.url
        self._log = witness.tail(f"observations/{observer}")

    def last(self) -> Spoken | None:
        """WitnessUnreachable, WitnessUnsound."""
        with guarded(self._url):
            return _spoken(self._log.last())

    def say(self, word: Word) -> int:
        """Write the next record. Returns its number."""
        body = word.model_dump(mode="json")
        with guarded(self._url):
            record = self._log.append(lambda _: ("observation", body))
            if record is None:
                raise RecordCorrupt(f"{self._url}: an observation was written and is not there")
        return record.n


class Repairs:
    """What was tried at one site."""

    def __init__(self, witness: Witness, site: str) -> None:
        self.site = site
        self._url = witness.url
        self._log = witness.log(f"repairs/{site}")

    def every(self) -> list[Repair]:
        """In order. WitnessUnreachable, WitnessUnsound."""
        with guarded(self._url):
            return _repairs(self.site, self._log.read())

    def begin(self, remedy: Remedy, workload: str, *, by: str, reason: str, known: int) -> int | None:
        """Take the next slot, if nobody has begun another since `known` records were read. Returns its number."""
        body = {"remedy": remedy, "workload": workload, "by": by, "reason": reason}

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return ("begin", body) if sum(each.kind == "begin" for each in records) == known else None

        with guarded(self._url):
            record = self._log.append(decide)
        return None if record is None else record.n

    def end(self, n: int, result: str) -> None:
        with guarded(self._url):
            self._log.append(lambda _: ("end", {"of": n, "result": result}))


class Holds:
    """Whether a person holds off what is done without one."""

    def __init__(self, witness: Witness) -> None:
        self._url = witness.url
        self._log = witness.log("holds")

    def standing(self) -> dict[str, Any] | None:
        """`by`, `reason` and `at` of the hold that stands; None where there is none. WitnessUnreachable, WitnessUnsound."""
        with guarded(self._url):
            records = self._log.read()
        if not records or records[-1].kind != "hold":
            return None
        return {**records[-1].body, "at": records[-1].at}

    def hold(self, *, by: str, reason: str) -> None:
        with guarded(self._url):
            self._log.append(lambda _: ("hold", {"by": by, "reason": reason}))

    def release(self, *, by: str) -> bool:
        """Returns whether there was a hold."""

        def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return ("release", {"by": by}) if records and records[-1].kind == "hold" else None

        with guarded(self._url):
            return self._log.append(decide) is not None


def _spoken(record: Record | None) -> Spoken | None:
    if record is None:
        return None
    try:
        return Spoken(record.n, record.at, Word.model_validate(record.body))
    except ValidationError as error:
        raise RecordCorrupt(f"observation {record.n} cannot be read: {error.errors()[0]['msg']}") from error


def _repairs(site: str, records: tuple[Record, ...]) -> list[Repair]:
    ended = {int(each.body["of"]): str(each.body["result"]) for each in records if each.kind == "end"}
    return [_repair(site, each, ended.get(each.n)) for each in records if each.kind == "begin"]


def _repair(site: str, record: Record, result: str | None) -> Repair:
    told = record.body
    return Repair(
        record.n, site, told["remedy"], str(told["workload"]), str(told["by"]), str(told["reason"]), record.at, result
    )
