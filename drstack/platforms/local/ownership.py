"""Which stack owns a site: `site.json` in its folder.

Invariant: a folder has one owner; a second is refused until the first has destroyed the site.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from drstack.errors import DrstackError
from drstack.platforms.local.atomic import locked, read_json, write_json
from drstack.platforms.local.folder import SiteFolder


class SiteOwned(DrstackError):
    """Another stack, or another environment, has this folder."""

    exit_code = 29


@dataclass(frozen=True, slots=True)
class SiteRecord:
    environment: str
    environment_id: str | None
    site: str
    owner: str
    """Organization, project and stack."""


def read_record(folder: SiteFolder) -> SiteRecord | None:
    body = read_json(folder.record)
    if body is None:
        return None
    known = body.get("environment_id")
    environment_id = None if known is None else str(known)
    return SiteRecord(str(body.get("environment")), environment_id, str(body.get("site")), str(body.get("owner")))


def claim(folder: SiteFolder, record: SiteRecord) -> None:
    """Write the record, or find it written by the same owner. SiteOwned, also where it lies in another site."""
    for outer in folder.path.parents:
        if (around := read_record(SiteFolder(outer))) is not None:
            raise SiteOwned(
                f"{folder.path} lies in the folder of site {around.site} of environment {around.environment}",
                hint="Give the site a `folder` of its own in the environment file.",
            )
    folder.path.mkdir(parents=True, exist_ok=True)
    with locked(folder.record):
        there = read_record(folder)
        refusal = there and refuse(there, record, str(folder.path))
        if refusal:
            raise refusal
        if there != record:
            write_json(folder.record, {**asdict(record)})


def refuse(there: SiteRecord, wanted: SiteRecord, where: str) -> SiteOwned | None:
    """Why `wanted` cannot have a folder whose record is `there`; None where it can."""
    if there.owner != wanted.owner:
        return SiteOwned(
            f"site {wanted.site} in {where} belongs to stack {there.owner}; stack {wanted.owner} cannot have it too",
            hint=f"Use stack {there.owner.rpartition('/')[2]}, or destroy the site there first: "
            f"pulumi destroy -s {there.owner.rpartition('/')[2]}",
        )
    if (there.environment, there.site) != (wanted.environment, wanted.site):
        return SiteOwned(
            f"{where} is site {there.site} of environment {there.environment}, "
            f"not {wanted.site} of {wanted.environment}",
            hint="Give each site a folder of its own.",
        )
    if None not in (there.environment_id, wanted.environment_id) and there.environment_id != wanted.environment_id:
        return SiteOwned(
            f"{where} belongs to an environment {there.environment} of another witness ({there.environment_id})",
            hint="Put the witness back, or take the folder aside.",
        )
    return None
