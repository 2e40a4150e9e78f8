"""One URL names a store: `file:///folder`, `s3://bucket/prefix?region=…&endpoint=…`, `memory://name`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from replicator.errors import StoreError
from replicator.stores.local import LocalStore
from replicator.stores.retry import RetryingStore

if TYPE_CHECKING:
    from replicator.stores.store import ObjectStore

_REQUEST_TIMEOUT_S = 30.0
_S3_OPTIONS = ("endpoint", "region")
_USE = "Use file:///FOLDER or s3://BUCKET/PREFIX?region=REGION."
_MEMORY: dict[str, ObjectStore] = {}


def open_store(url: str) -> ObjectStore:
    """The store behind `url`, with retries. A plain path counts as a folder. Opening does not ask the store."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return LocalStore(_folder(url).absolute())
    if parts.scheme == "memory":
        return _memory(parts.netloc)
    if parts.scheme == "s3":
        from replicator.stores.cloud import s3_store  # noqa: PLC0415 - heavy

        options = dict(parse_qsl(parts.query))
        if not parts.netloc or options.keys() - set(_S3_OPTIONS):
            given = f" (given: {', '.join(sorted(options))})" if options else ""
            raise StoreError(
                f"{_shown(url)}: not a bucket with options among {', '.join(_S3_OPTIONS)}{given}", hint=_USE
            )
        return RetryingStore(s3_store(parts.netloc, parts.path.strip("/"), options, _REQUEST_TIMEOUT_S))
    raise StoreError(f"{_shown(url)}: no store for {parts.scheme}://", hint=_USE)


def make_folder(url: str) -> None:
    """Make the folder of a `file:` URL; nothing to do for buckets, which exist already."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        _folder(url).mkdir(parents=True, exist_ok=True)


def is_absent_folder(url: str) -> bool:
    """Whether the URL is a folder's, and nothing is there."""
    return urlsplit(url).scheme in ("", "file") and not _folder(url).exists()


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise StoreError(f"{_shown(url)}: {parts.hostname} is a host here; a folder's URL has three slashes", hint=_USE)
    return Path(unquote(parts.path) if parts.scheme else url).expanduser()


def _shown(url: str) -> str:
    """The URL without what may be secret: user and password, and the values of its options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _memory(name: str) -> ObjectStore:
    from replicator.stores.cloud import memory_store  # noqa: PLC0415 - heavy

    return _MEMORY.setdefault(name, memory_store())
