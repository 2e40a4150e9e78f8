"""A site's store of checkpoints: its logs, manifests, packs and receipts, read and checked.

Everything that is read is checked against the digest that names it before anyone sees it.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from replicator.errors import DataCorrupt, KeyAbsent, KeyLocked, KeyMissing
from replicator.log.lineage import newest_first
from replicator.log.notary import UNSIGNED
from replicator.log.records import digest
from replicator.log.workload import WorkloadLog
from replicator.repository.access import access_to
from replicator.repository.cipher import PLAIN
from replicator.repository.format import Format, read_format
from replicator.repository.manifest import Manifest, decode
from replicator.repository.packs import manifest_key
from replicator.repository.receipts import Receipts
from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from replicator.crypto.keyring import Keyring
    from replicator.log.notary import Notary
    from replicator.log.replay import Accepted
    from replicator.model import CommitId, Level, PackRef
    from replicator.repository.access import Access
    from replicator.repository.cipher import Cipher
    from replicator.repository.manifest import TensorEntry
    from replicator.stores.store import ObjectStore


def random_token() -> str:
    """16 random bytes as hex: an attempt id."""
    return secrets.token_hex(16)


class Repository:
    """The repository in `store`; `name` is its site's. Logs are for one thread at a time.

    `keys` are the trust file and private keys at hand; `memory` is where a writer that cannot read remembers its pushes;
    `at_once`: how many entries of a log may be asked for side by side.
    """

    def __init__(
        self,
        name: str,
        store: ObjectStore,
        *,
        clock: Callable[[], float] = time.time,
        token: Callable[[], str] = random_token,
        keys: Keyring | None = None,
        memory: Path | None = None,
        at_once: int = 16,
    ) -> None:
        self.name = name
        self.store = store
        self.clock = clock
        self.token = token
        self.keys = keys
        self.memory = memory
        self._at_once = at_once
        self._access: Access | None = None
        self._logs: dict[str, WorkloadLog] = {}
        self._held: WeakValueDictionary[str, Manifest] = WeakValueDictionary()
        self.receipts = Receipts(
            store, clock=clock, token=token, record_of=self._record_of, notary=lambda: self.notary,
            admit=lambda workload: self.log(workload).require_writer(),
        )  # fmt: skip

    def twin(self) -> Repository:
        """The same repository for another thread."""
        return Repository(
            self.name, self.store, clock=self.clock, token=self.token, keys=self.keys, memory=self.memory,
            at_once=self._at_once,
        )  # fmt: skip

    def format(self) -> Format:
        """RepositoryUnknown; KeyAbsent where it needs keys and none are at hand; Untrusted."""
        found = read_format(self.store)
        if self._access is None:
            self._access = access_to(found, self.store, self.keys, self.memory)
        return found

    @property
    def notary(self) -> Notary:
        """Who signs and judges records here. As `format` where there are keys; without, whatever is signed is refused."""
        return UNSIGNED if self.keys is None else self._opened().notary

    @property
    def cipher(self) -> Cipher:
        return PLAIN if self.keys is None else self._opened().cipher

    def _opened(self) -> Access:
        if self._access is None:
            self.format()
        assert self._access is not None  # noqa: S101 - format sets it, or raises
        return self._access

    def log(self, workload: str) -> WorkloadLog:
        if workload not in self._logs:
            seen = None if self.keys is None else self._opened().seen
            log = WorkloadLog(
                self.store, workload, clock=self.clock, token=self.token, notary=self.notary,
                on_seen=seen.note if seen else None, at_once=self._at_once,
            )  # fmt: skip
            if seen is not None:
                term, slots = seen.of(workload)
                log.remember(term=term, slots=slots)
            self._logs[workload] = log
        return self._logs[workload]

    def _record_of(self, workload: str, slot: int) -> str | None:
        try:
            return self.log(workload).slot(slot).digest
        except IndexError:
            return None

    def manifest(self, ref: PackRef) -> Manifest:
        """The manifest that `ref` names. DataCorrupt if it is missing or is not that; KeyAbsent if it cannot be read here."""
        where = f"{self.store.url}: {manifest_key(ref.digest)}"
        try:
            stored = self.store.get(manifest_key(ref.digest))
        except KeyMissing as error:
            raise DataCorrupt(f"{where} is missing") from error
        if digest(stored) != ref.digest:
            raise DataCorrupt(f"{where} is not what its name says")
        return decode(self.cipher.open_manifest(stored, where), where)

    def shipped(self, ref: PackRef) -> Manifest:
        """As `manifest`, but what this writer remembers of its own push is enough: for leaning on it, not for judging.

        One that somebody still holds is not read again.
        """
        held = self._held.get(ref.digest)
        if held is None:
            known = self.cipher.remembered(ref.digest)
            held = self.manifest(ref) if known is None else decode(known, f"{manifest_key(ref.digest)} as remembered")
            self._held[ref.digest] = held
        return held

    def tensors(self, accepted: Iterable[Accepted]) -> list[tuple[TensorEntry, ...]]:
        """The tensors of those checkpoints whose manifest can be read with the keys at hand, or is remembered."""
        found: list[tuple[TensorEntry, ...]] = []
        for each in accepted:
            try:
                found.append(self.shipped(each.where.manifest).tensors)
            except (KeyAbsent, KeyLocked):
                continue
        return found

    def workloads(self) -> list[str]:
        """Workloads that have a log here, as LIST shows them."""
        return sorted({key.split("/")[1] for key in self.store.list("log") if key.count("/") == 2})  # noqa: PLR2004


def newest_recovery_point(
    repository: Repository, workload: str, demanded: tuple[Level, ...], *, at_most: CommitId | None = None
) -> Accepted | None:
    """The greatest (term, height) that is not suspect and has every demanded receipt (DESIGN, rule 14).

    One of a branch that a promotion left only where there is no other.
    """
    for accepted in newest_first(repository.log(workload).view()):
        if at_most is not None and accepted.what.id() > at_most:
            continue
        if not is_suspect(repository, workload, accepted) and all(
            repository.receipts.levels(workload, accepted.slot, demanded).values()
        ):
            return accepted
    return None
