"""What the kinds of a local site share: reading its folder as an input, ids, and who owns it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from drstack.platforms.local.folder import SiteFolder, site_folder


def _absolute(text: str) -> str:
    if not PurePosixPath(text).is_absolute() or ".." in PurePosixPath(text).parts:
        raise ValueError("an absolute folder without `..` is expected")
    return str(PurePosixPath(text))


Folder = Annotated[str, AfterValidator(_absolute)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


def identify(folder: str, kind: str) -> str:
    """A physical id that the folder and the kind determine."""
    return f"{site_folder(folder).path}#{kind}"


def present(folder: SiteFolder) -> bool:
    """Whether the site is there at all; a folder without its record is no site."""
    return folder.record.exists()
