"""A bucket into which everything is put under object lock, so that no credential of the training side can take it back.

Invariant: an object is locked by the request that creates it, or is not created; there is no moment between.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from replicator.errors import Denied, KeyExists, KeyMissing, LockRefused, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.stores.aged import Aged, aged
from replicator.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.lock import Mode
    from replicator.stores.s3_control import S3Control
    from replicator.stores.store import ObjectStore

_EXISTS = ("PreconditionFailed", "412")
_PUT_OFF = ("ConditionalRequestConflict", "409", "OperationAborted")
UNLOCKED = ("parts/",)
"""What no checkpoint needs once it is committed."""


class PutStore:
    """`inner`, but for creates: those carry a lock of `days`, or a storage class, or both.

    `require` is called before the first create, and raises where the bucket does not hold what is put into it.
    """

    def __init__(
        self,
        inner: ObjectStore,
        control: S3Control,
        *,
        clock: Callable[[], float],
        days: float | None = None,
        mode: Mode = "compliance",
        storage_class: str | None = None,
        require: Callable[[], None] | None = None,
    ) -> None:
        self._inner = inner
        self._control = control
        self._clock = clock
        self._for_s = None if days is None else days * 86400.0
        self._mode = mode
        self._storage_class = storage_class
        self._require = require

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        if self._require is not None:
            self._require()
            self._require = None
        given: dict[str, object] = {"IfNoneMatch": "*", "ChecksumAlgorithm": "SHA256"}
        if self._for_s is not None and not key.startswith(UNLOCKED):
            until = datetime.fromtimestamp(self._clock() + self._for_s, tz=UTC)
            given |= {"ObjectLockMode": self._mode.upper(), "ObjectLockRetainUntilDate": until}
        if self._storage_class is not None and key.startswith("packs/"):
            given["StorageClass"] = self._storage_class
        try:
            self._control.ask("put_object", check_key(key), Body=bytes(body), **given)
        except StoreUnavailable as error:
            raise OutcomeUnknown(f"{self.url}: creating {key}: {error}") from error
        except KeyMissing as error:
            raise StoreUnavailable(f"{self.url}: there is no such bucket: {error}") from error
        except Denied as error:
            raise StoreError(f"{self.url}: not allowed to create {key} under a lock: {error}", hint=_RIGHTS) from error
        except LockRefused as error:
            raise self._refused(key, error) from error

    def _refused(self, key: str, error: LockRefused) -> StoreError | LockRefused:
        told = cast("dict[str, object]", getattr(error.__cause__, "response", {}))
        answer = cast("dict[str, str]", told.get("Error", {}))
        if answer.get("Code") in _EXISTS:
            return KeyExists(f"{key} exists in {self.url}")
        if answer.get("Code") in _PUT_OFF:
            return OutcomeUnknown(f"{self.url}: creating {key}: {error}")
        return error

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(key, offset, length)

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        return self._inner.list(prefix)

    def aged(self, prefix: str) -> Iterator[Aged]:
        return aged(self._inner, prefix)

    def delete(self, key: str) -> None:
        self._inner.delete(key)


_RIGHTS = "Allow s3:PutObject, s3:PutObjectRetention and s3:GetObjectRetention to who ships there."
