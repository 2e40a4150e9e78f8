"""One URL names a store: a folder, a bucket of S3, Google or Azure (`replicator.stores.address`), `memory://name`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from replicator.errors import StoreError
from replicator.stores.address import USE, VENDORS, bucket_address, split, without_secrets
from replicator.stores.breaker import BreakerStore
from replicator.stores.clients import Patience
from replicator.stores.local import LocalStore
from replicator.stores.retry import RetryingStore

if TYPE_CHECKING:
    from replicator.stores.address import BucketAddress
    from replicator.stores.store import ObjectStore

_PATIENCE = Patience()
_MEMORY: dict[str, ObjectStore] = {}


def open_store(url: str, *, limit_s: float | None = None) -> ObjectStore:
    """The store behind `url`, with retries. A plain path counts as a folder. Opening does not ask the store.

    With `limit_s` a store that did not answer for so long is given up for a while (`replicator.stores.breaker`).
    """
    parts = split(url)
    if parts.scheme in ("", "file"):
        return _limited(LocalStore(_folder(url).absolute()), limit_s)
    if parts.scheme == "memory":
        return _memory(parts.netloc)
    if parts.scheme in VENDORS:
        return RetryingStore(_limited(_bucket(bucket_address(url)), limit_s))
    raise StoreError(f"{without_secrets(url)}: no store for {parts.scheme}://", hint=USE)


def _limited(store: ObjectStore, limit_s: float | None) -> ObjectStore:
    return store if limit_s is None else BreakerStore(store, limit_s=limit_s)


def make_folder(url: str) -> None:
    """Make the folder of a `file:` URL; nothing to do for buckets, which exist already."""
    parts = split(url)
    if parts.scheme in ("", "file"):
        _folder(url).mkdir(parents=True, exist_ok=True)


def is_absent_folder(url: str) -> bool:
    """Whether the URL is a folder's, and nothing is there."""
    return split(url).scheme in ("", "file") and not _folder(url).exists()


def _folder(url: str) -> Path:
    parts = split(url)
    if parts.netloc not in ("", "localhost"):
        raise StoreError(
            f"{without_secrets(url)}: {parts.hostname} is a host here; a folder's URL has three slashes", hint=USE
        )
    return Path(unquote(parts.path) if parts.scheme else url).expanduser()


def _bucket(address: BucketAddress) -> ObjectStore:
    # imported here: heavy, and only what is needed
    if address.vendor == "gs":
        from replicator.stores.gcs import gcs_store  # noqa: PLC0415

        return gcs_store(address, _PATIENCE)
    if address.vendor == "az":
        from replicator.stores.azure import azure_store  # noqa: PLC0415

        return azure_store(address, _PATIENCE)
    if address.versions:
        from replicator.stores.locked_versions import LockedVersions  # noqa: PLC0415
        from replicator.stores.s3_control import S3Control  # noqa: PLC0415

        return LockedVersions(S3Control(address))
    from replicator.stores.s3 import s3_store  # noqa: PLC0415

    return s3_store(address, _PATIENCE)


def _memory(name: str) -> ObjectStore:
    from replicator.stores.cloud import memory_store  # noqa: PLC0415 - heavy

    return _MEMORY.setdefault(name, memory_store())
