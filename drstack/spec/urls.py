"""Addresses of the witness and of Pulumi's state.

Decides which stores may be named and what a relative address is relative to. Invariants: a resolved address means
the same from every working folder; a credential is neither taken from an address nor shown.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

WITNESS_SCHEMES = ("file", "s3", "gs", "az", "azblob", "memory")
_WITNESS_OPTIONS = {
    "s3": ("region", "endpoint"),
    "gs": ("endpoint",),
    "az": ("account", "storage_account", "endpoint"),
    "azblob": ("account", "storage_account", "endpoint"),
}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECRET = re.compile(r"(key|secret|token|sig|sas|passw|credential|auth)(?!.*(id|path|type)$)", re.IGNORECASE)
STATE_SCHEMES = ("file", "s3", "gs", "azblob", "https")


class UrlUnsupported(DrstackError):
    exit_code = 21
    hint = "Name a store as file:FOLDER, s3://BUCKET, gs://BUCKET or az://CONTAINER."


def url_fault(url: str, schemes: tuple[str, ...]) -> str | None:
    """What is expected instead of this address, or None where it holds."""
    choice = ", ".join(
        f"{scheme}:…" if scheme == "file" else f"{scheme}://…" for scheme in schemes if scheme != "memory"
    )
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"an address of the form {choice}"
    if parts.scheme not in schemes:
        return f"an address of the form {choice}"
    if _carries_credentials(parts):
        return "an address without user, password or keys, which come from the environment (docs/stores.md)"
    if parts.scheme == "file":
        named = not (parts.netloc or parts.query or parts.fragment or not parts.path or "\0" in unquote(parts.path))
        return (
            None if named else "file: and a folder, without host or query, such as file:witness or file:///srv/witness"
        )
    named = bool(parts.netloc) or parts.scheme == "memory"
    return None if named else f"{parts.scheme}:// and the name of a bucket, container or host"


def witness_fault(url: str) -> str | None:
    """As `url_fault`, for a store that we open ourselves: what replicator.stores.address takes, and nothing else."""
    expected = url_fault(url, WITNESS_SCHEMES)
    if expected is not None:
        return expected
    parts = urlsplit(url)
    known = _WITNESS_OPTIONS.get(parts.scheme, ())
    unknown = [name for name, value in parse_qsl(parts.query, keep_blank_values=True) if not value or name not in known]
    if parts.scheme in _WITNESS_OPTIONS and (unknown or parts.fragment or not _BUCKET.fullmatch(parts.netloc)):
        return f"{parts.scheme}:// and a bucket or container, with values for none but {', '.join(known)}"
    return None


def shown_url(url: str) -> str:
    """The address as it may be told: as it stands, unless something in it may be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    if not _carries_credentials(parts):
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} and more"


def _carries_credentials(parts: SplitResult) -> bool:
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    return "@" in parts.netloc or any(_SECRET.search(name) for name in named)


def resolve_url(url: str, root: Path) -> str:
    """The address with a relative `file:x` made absolute under `root`; other stores as they are.

    Raises UrlUnsupported.
    """
    expected = url_fault(url, tuple(dict.fromkeys(WITNESS_SCHEMES + STATE_SCHEMES)))
    if expected is not None:
        raise UrlUnsupported(f"{shown_url(url)!r} is not {expected}")
    if not url.startswith("file:"):
        return url
    return absolute_folder(url, root).as_uri()


def absolute_folder(url: str, root: Path) -> Path:
    """The folder that a `file:` address names; `..` is folded without looking at the disk."""
    path = root.absolute() / unquote(urlsplit(url).path)
    return type(path)(os.path.normpath(path))
