"""Anchors: how far a repository's logs reached, kept by another store, so that a machine that never looked can tell.

`<environment>/heads/<site>/<workload>/<repository>/<n>` on the witness, dense and create-only; the last one counts, and
is refused where an earlier one reaches as far: it would hide a rollback. An anchor names slot and digest of a record that
was read in the log, so that a log which ends before it, or holds another record there, was rolled back (DESIGN, rule 11).
Signed where the repository is. What a repository of another id holds is none of its business: a site that was made anew
begins anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pydantic import Field, ValidationError

from replicator.errors import KeyMissing, RecordCorrupt, ReplicatorError
from replicator.log.records import digest
from replicator.log.slots import slot_key
from replicator.log.tail import REVOKED, TailLog
from replicator.model import Frozen
from replicator.repository.heads import Head
from replicator.stores.deadline import DeadlineStore
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.records import Record
    from replicator.log.replay import LogView
    from replicator.repository.repository import Repository
    from replicator.stores.store import ObjectStore

KIND = "anchor"
_LIMIT_S = 5.0


class Anchor(Frozen):
    """Slot `slot` of a log held the record with this digest; `term` was open, its highest height was `height`."""

    slot: int = Field(ge=1)
    digest: str = Field(pattern=r"[0-9a-f]{64}")
    term: int = Field(ge=0)
    height: int = Field(ge=0)

    @property
    def head(self) -> Head:
        return Head(n=self.slot, digest=self.digest)

    def __str__(self) -> str:
        return f"slot {self.slot} (up to checkpoint {self.term}.{self.height})"


@dataclass(frozen=True, slots=True)
class Anchored:
    """The last anchor of a log; `at` in unix seconds, for people."""

    anchor: Anchor
    at: float


class Anchors:
    """The anchors of one environment in a store; a repository's name is its site's. For one thread at a time."""

    def __init__(
        self,
        store: ObjectStore,
        environment: str,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._environment = environment
        self._clock = clock
        self._token = token
        self._sleep = sleep
        self._logs: dict[str, TailLog] = {}

    @property
    def url(self) -> str:
        return self._store.url

    def last(self, repository: Repository, workload: str, *, here: str | None = None) -> Anchored | None:
        """The last anchor of a repository's log. `here`: the repository's id, if it was read already.

        RecordCorrupt, SignatureRefused, StoreUnavailable.
        """
        prefix = self._prefix(repository, workload, here)
        record = self._log(repository, prefix).last()
        anchor = _anchor(record, prefix)
        return None if record is None or anchor is None else Anchored(anchor, record.at)

    def workloads(self, repository: Repository) -> list[str]:
        """Workloads of which something is anchored for the repository, as LIST shows them."""
        prefix = f"{self._environment}/heads/{repository.name}"
        here = repository.format().repository
        found = (key.removeprefix(f"{prefix}/").split("/") for key in self._store.list(prefix))
        return sorted({parts[0] for parts in found if len(parts) > 1 and parts[1] == here})

    def note(self, repository: Repository, workload: str, anchor: Anchor) -> Anchored:
        """Anchor a head that was read in the log, unless one that reaches as far is there. What stands last."""
        prefix = self._prefix(repository, workload)

        def decide(last: Record | None) -> tuple[str, dict[str, object]] | None:
            there = _anchor(last, prefix)
            return (KIND, anchor.model_dump(mode="json")) if there is None or there.slot < anchor.slot else None

        self._log(repository, prefix).append(decide)
        there = self.last(repository, workload)
        if there is None:
            raise RecordCorrupt(f"{self.url}: {prefix}: an anchor was written and is not there")
        return there

    def _prefix(self, repository: Repository, workload: str, here: str | None = None) -> str:
        return f"{self._environment}/heads/{repository.name}/{workload}/{here or repository.format().repository}"

    def _log(self, repository: Repository, prefix: str) -> TailLog:
        if prefix not in self._logs:
            self._logs[prefix] = TailLog(
                self._store, prefix, clock=self._clock, token=self._token, sleep=self._sleep, notary=repository.notary,
                follows=_went_back,
            )  # fmt: skip
        return self._logs[prefix]


def _anchor(record: Record | None, prefix: str) -> Anchor | None:
    """None where nothing is anchored, or only by a key that was revoked since."""
    if record is None or record.kind == REVOKED:
        return None
    if record.kind != KIND:
        raise RecordCorrupt(f"{prefix}/{record.n}: {record.kind} is no anchor", hint="Use a newer version for it.")
    try:
        return Anchor.model_validate(record.body)
    except ValidationError as error:
        raise RecordCorrupt(f"{prefix}: not an anchor: {error.errors()[0]['msg']}") from error


def _went_back(earlier: Record, last: Record) -> str | None:
    """Anchors only rise: one of a lower slot would hide that the log was rolled back behind the higher one."""
    if earlier.kind != KIND or last.kind != KIND:
        return None  # what is no anchor, or no more one, is judged where it is the last
    before, now = _anchor(earlier, f"slot {earlier.n}"), _anchor(last, f"slot {last.n}")
    if before is None or now is None or before.slot < now.slot:
        return None
    return f"it anchors {now}, and slot {earlier.n} before it {before}"


def head_to_anchor(repository: Repository, workload: str, view: LogView) -> Anchor | None:
    """What an anchor says of a log that was just read as `view`; None of an empty one."""
    if not view.slots:
        return None
    slot = repository.log(workload).slot(view.slots)
    return Anchor(slot=slot.n, digest=slot.digest, term=view.term, height=view.heads().get(str(view.term), 0))


def why_behind(store: ObjectStore, workload: str, anchor: Anchor) -> str | None:
    """Why the log in `store` was rolled back, by one GET of the anchored slot (two, before that is said). StoreError."""
    key = slot_key(f"log/{workload}", anchor.slot)
    why: str | None = None
    for _ in range(2):
        try:
            if digest(store.get(key)) == anchor.digest:
                return None
            why = f"slot {anchor.slot} is not the record that is anchored"
        except KeyMissing:
            why = f"it ends before {anchor}, which is anchored"
    return why


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository's anchors are kept."""

    url: str
    environment: str
    site: str


def place_of(told: str) -> Place:
    """`URL#ENVIRONMENT/SITE`. ReplicatorError."""
    url, _, rest = told.partition("#")
    environment, _, site = unquote(rest).partition("/")
    if not url or not environment or not site or "/" in site:
        raise ReplicatorError(
            f"--anchors {told}: no witness, environment and site", hint="Write it as URL#ENVIRONMENT/SITE."
        )
    return Place(url, environment, site)


def open_anchors(
    url: str, environment: str, *, clock: Callable[[], float], token: Callable[[], str], limit_s: float = _LIMIT_S
) -> Anchors:
    """The anchors of an environment on the witness at `url`; no call takes longer than `limit_s`."""
    return Anchors(DeadlineStore(open_store(url), limit_s=limit_s), environment, clock=clock, token=token)
