"""Addresses of the witness and of Pulumi's state.

Decides which stores may be named and what a relative address is relative to. Invariant: a resolved address means
the same from every working folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from pathlib import Path

WITNESS_SCHEMES = ("file", "s3", "gs", "az", "memory")
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
    if parts.scheme == "memory":
        return None
    if parts.scheme != "file":
        return None if parts.netloc else f"{parts.scheme}:// and the name of a bucket, container or host"
    if parts.netloc or parts.query or parts.fragment or not parts.path or "\0" in unquote(parts.path):
        return "file: and a folder, without host or query, such as file:witness or file:///srv/witness"
    return None


def resolve_url(url: str, root: Path) -> str:
    """The address with a relative `file:x` made absolute under `root`; other stores as they are.

    Raises UrlUnsupported.
    """
    expected = url_fault(url, tuple(dict.fromkeys(WITNESS_SCHEMES + STATE_SCHEMES)))
    if expected is not None:
        raise UrlUnsupported(f"{url!r} is not {expected}")
    if not url.startswith("file:"):
        return url
    return absolute_folder(url, root).as_uri()


def absolute_folder(url: str, root: Path) -> Path:
    """The folder that a `file:` address names; `..` is folded without looking at the disk."""
    path = root.absolute() / unquote(urlsplit(url).path)
    return type(path)(os.path.normpath(path))
