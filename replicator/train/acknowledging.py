"""Saves that return only when a near repository has them, with receipts: RPO 0 without a replicator beside the trainer.

In an environment's repository the receipts are its site's verifier's to give. In one of its own nobody else may be there
to verify: the trainer then looks itself whether every byte is there, and writes the receipt `stored`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import NotAcknowledged, ReplicatorError, Sealed, StoreError
from replicator.service.attestation import Attestation
from replicator.train.targets import log, urls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId, Level
    from replicator.repository.repository import Repository

_LOOK_S = 0.1
_SAY_EVERY_S = 10.0
_ENVIRONMENTS: tuple[Level, ...] = ("stored", "decoded")
_OWN: tuple[Level, ...] = ("stored",)
_VERIFIER = "trainer"


def near_of(near: str | Sequence[str], urls: Sequence[str]) -> tuple[str, ...]:
    """The repositories that must acknowledge. ReplicatorError if one is not shipped to."""
    wanted = urls_of(near) if near else ()
    foreign = [url for url in wanted if url not in urls]
    if foreign:
        raise ReplicatorError(
            f"near={foreign[0]!r} is none of the repositories that are shipped to", hint="Name it in repo= too."
        )
    return wanted


def attestation_of(repository: Repository, workload: str) -> Attestation:
    """What it takes there. StoreError, RepositoryUnknown."""
    alone = repository.format().environment is None
    return Attestation(
        repository, workload, _OWN if alone else _ENVIRONMENTS, time.monotonic,
        verifier=_VERIFIER if alone else None, urgent=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A save as its commit will name it; `commit` where that is known already."""

    workload: str
    step: int
    name: str
    saved_at: float
    commit: CommitId | None = None

    def find(self, view: LogView) -> Accepted | None:
        if self.commit is not None:
            return view.accepted.get(self.commit)
        key = (self.name, self.step, self.saved_at)
        return next((a for a in view.in_order() if (a.what.name, a.what.step, a.what.saved_at) == key), None)


def await_receipts(
    repository: Repository,
    wanted: Wanted,
    *,
    patience_s: float | None,
    failed: Callable[[], str | None] = lambda: None,
) -> None:
    """Until the save is committed there and attested. Sealed if the log was sealed first.

    NotAcknowledged after `patience_s`, or when `failed` says why it never will be. Without `patience_s` a store that is
    away stalls the save for as long as it is.
    """
    began = said = time.monotonic()
    attestation: Attestation | None = None
    trouble = "it is not there yet"
    while True:
        try:
            attestation = attestation or attestation_of(repository, wanted.workload)
            view = repository.log(wanted.workload).view()
            accepted = wanted.find(view)
            if accepted is not None:
                attestation.expect(accepted)
                trouble = "no receipt yet"
            sealed = attestation.look()
        except StoreError as error:
            trouble = str(error)
        else:
            if sealed is not None:
                raise Sealed(sealed[1])
            if accepted is not None and accepted.what.id() in attestation.attested:
                return
        if (why := failed()) is not None:
            raise NotAcknowledged(f"step {wanted.step} will never be acknowledged: {why}")
        now = time.monotonic()
        if patience_s is not None and now - began >= patience_s:
            raise NotAcknowledged(
                f"{repository.store.url} does not acknowledge step {wanted.step} within {patience_s:g} s: {trouble}"
            )
        if now - said >= _SAY_EVERY_S:
            said = now
            log.warning("step %d waits for %s: %s", wanted.step, repository.store.url, trouble)
        time.sleep(_LOOK_S)
