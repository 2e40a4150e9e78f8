"""A bucket as it was put under lock, whatever was put or deleted over it since. Read-only (`?versions=locked`).

Keys are created once, so that the first version that was locked is the right one: a thief adds versions and markers above
it, and cannot take it away before its time. Invariant: a version without a lock is never read, and where nobody may see
whether it has one, that is an error and no answer.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from replicator.errors import Denied, KeyMissing, StoreError, StoreUnavailable
from replicator.stores.archived import archived_error
from replicator.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.stores.s3_control import S3Control


class LockedVersions:
    """For any thread. What was found is kept: the first locked version of a key never changes."""

    def __init__(self, control: S3Control) -> None:
        self._control = control
        self._found: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"{self._control.where('')}".rstrip("/") + "?versions=locked"

    def get(self, key: str) -> bytes:
        return self._read(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        _, size = self._first(key)
        end = min(offset + length, size)
        return self._read(key, Range=f"bytes={offset}-{end - 1}") if offset < end else b""

    def size(self, key: str) -> int:
        return self._first(key)[1]

    def list(self, prefix: str) -> Iterator[str]:
        """Keys with a version; whether one is locked shows when it is read."""
        cut = len(self._control.key("")) if self._control.address.prefix else 0
        return iter(sorted({each["Key"][cut:] for each in self._control.versions(f"{check_key(prefix)}/")}))

    def create(self, key: str, body: bytes) -> None:
        del body
        raise StoreError(f"{self.url}: {key} is not written: this is a bucket as it was locked", hint=_OPEN)

    def delete(self, key: str) -> None:
        raise StoreError(f"{self.url}: {key} is not deleted: this is a bucket as it was locked", hint=_OPEN)

    def _read(self, key: str, **more: str) -> bytes:
        version, _ = self._first(key)
        try:
            answer = self._control.ask("get_object", key, VersionId=version, **more)
            return answer["Body"].read()
        except Denied as error:
            raise StoreError(f"{self.url}: {error}", hint="Allow s3:GetObjectVersion.") from error
        except OSError as error:
            raise StoreUnavailable(f"{self.url}: {key}: {error}") from error
        except Exception as error:
            if (archived := archived_error(self.url, key, error)) is not None:
                raise archived from error
            raise

    def _first(self, key: str) -> tuple[str, int]:
        """(version id, size) of the first version of the key that was put under lock. KeyMissing."""
        with self._lock:
            known = self._found.get(key)
        if known is not None:
            return known
        wanted = self._control.key(check_key(key))
        for each in self._control.versions(key):
            if each["Key"] == wanted and self._is_early(each) and self._is_locked(key, each):
                found = str(each["VersionId"]), int(each["Size"])
                with self._lock:
                    self._found[key] = found
                return found
        raise KeyMissing(f"{self.url} has no locked version of {key}")

    def _is_early(self, version: dict[str, Any]) -> bool:
        """By the store's own clock."""
        before = self._control.address.before_s
        return before is None or version["LastModified"].timestamp() < before

    def _is_locked(self, key: str, version: dict[str, Any]) -> bool:
        try:
            return self._control.mode_of(key, str(version["VersionId"])) is not None
        except Denied as error:
            raise StoreError(
                f"{self.url}: nobody here may see whether {key} was locked: {error}",
                hint="Allow s3:GetObjectRetention and s3:ListBucketVersions to who restores.",
            ) from error


_OPEN = "Write to the bucket itself: leave versions=locked out of the URL."
