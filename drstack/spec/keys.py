"""Which keys an environment has, and what they are called. Pure.

A site has a writer's, a keeper's and a verifier's key, named `role@site`, and, where it has to read what it holds, a
recipient's, `reader@site`. A key that took another's place has a number behind: `writer@east.2`. Operators promote with
`promoter`, and people approve with a key each, `approver@person`; the recipients that `encrypt_to` names are in custody.
Invariant: no two sites share a key.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.spec.jobs import ServeJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.spec.environment import Environment

FOLDER = "DRSTACK_KEYS"
PROMOTER = "promoter"
APPROVER = "approver"
"""The role of a person's key, named `approver@person`; one that took another's place `approver@person.2`."""
READER = "reader"
SIGNING = ("writer", "keeper", "verifier")
"""What each site signs as."""


def keys_folder(environment: Environment, root: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where an operator has the environment's trust file and keys: DRSTACK_KEYS, else below the local root.

    None where nothing is encrypted.
    """
    if not environment.replication.encrypted:
        return None
    named = environ.get(FOLDER)
    return Path(named).absolute() if named else root / "keys" / environment.environment


def key_name(role: str, site: str, n: int = 1) -> str:
    return f"{role}@{site}" if n == 1 else f"{role}@{site}.{n}"


def site_of(key: str) -> str | None:
    """The site that a key belongs to by its name; None for an operator's, and for recipients in custody."""
    role, at, rest = key.partition("@")
    return rest.partition(".")[0] if at and role in (*SIGNING, READER) else None


def person_of(key: str) -> str | None:
    """The person whom an approver's key belongs to by its name, whichever of theirs it is; None for any other key."""
    role, at, rest = key.partition("@")
    return rest.partition(".")[0] if at and role == APPROVER else None


def number_of(key: str) -> int:
    """How many keys had its place up to it."""
    number = key.partition("@")[2].partition(".")[2]
    return int(number) if number.isdigit() else 1


def site_roles(environment: Environment, site: str) -> tuple[str, ...]:
    """The roles that a site has a key for; `reader` only where it has to read without anybody's help."""
    return (*SIGNING, READER) if reads(environment, site) else SIGNING


def reads(environment: Environment, site: str) -> bool:
    """Whether a site must decrypt unattended: it verifies `decoded`, proves, or serves what was trained.

    Every site may come to stand by, so what one of them does all of them may have to.
    """
    del site
    told = environment.replication
    demanded = {level for each in environment.workloads.values() for level in told.demanded(each.class_)}
    serves = any(isinstance(each.job, ServeJob) for each in environment.workloads.values())
    return bool(demanded - {"stored"}) or told.prove is not None or serves
