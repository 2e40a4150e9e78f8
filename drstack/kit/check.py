"""Judging a kit: is it whole, does it fit this machine, is it still what the environment says, how old is it.

Pure but for reading the kit. Invariant: a kit that could not be used is never called stale, and one that was not read
to the last byte is never called whole.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.kit import manifest, shelf, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.kit.manifest import Manifest

TRUST = "keys/trust.json"
MAX_AGE_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Now:
    """What the environment says now, as SHA-256; None: not known here, so that no drift is judged by it."""

    environment: str | None = None
    lock: str | None = None
    drstack: str | None = None
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    kit: Path
    manifest: Manifest
    age_s: float
    faults: tuple[str, ...]
    """Why it cannot be used, each with the file's name."""
    stale: tuple[str, ...]
    """Why it is no longer what it should be."""


@dataclass(frozen=True, slots=True)
class KitFact:
    """What a status needs of a site's newest kit, without reading all of it."""

    number: int
    path: Path
    age_s: float
    stale: tuple[str, ...]


def check(path: Path, *, now: Now, at: float, max_age_s: float = MAX_AGE_S, say: Callable[[str], None]) -> Verdict:
    """Read the kit at `path`, or the newest of that shelf, to the last byte. KitUnusable if it has no manifest."""
    kit = shelf.newest(path)
    told = manifest.read(kit)
    body = told.model_dump(mode="json")
    faults = [*start.unfit(body), *_python(told), *start.damage(kit, body, say)]
    return Verdict(kit, told, at - told.made_at, tuple(faults), staleness(told, now, at, max_age_s))


def fact(path: Path, *, now: Now, at: float, max_age_s: float = MAX_AGE_S) -> KitFact | None:
    """The newest kit of a shelf, by its manifest alone; None where there is none. KitUnusable."""
    known = shelf.numbers(path)
    if not known:
        return None
    kit = path / str(known[-1])
    told = manifest.read(kit)
    return KitFact(known[-1], kit, at - told.made_at, staleness(told, now, at, max_age_s))


def staleness(told: Manifest, now: Now, at: float, max_age_s: float) -> tuple[str, ...]:
    """Why a kit is no longer what its environment says, in words."""
    reasons: list[str] = []
    if now.environment is not None and now.environment != told.sources.environment:
        reasons.append(f"the environment file of {told.environment} changed since")
    if now.lock is not None and now.lock != told.sources.lock:
        reasons.append("requirements.lock changed since")
    if now.drstack is not None and now.drstack != told.drstack:
        reasons.append(f"it holds drstack {told.drstack}; {now.drstack} is installed here")
    held = told.files.get(TRUST)
    if now.trust is not None and (held is None or held.sha256 != now.trust):
        reasons.append("the trust file changed since: keys were made, rotated or revoked")
    age_s = at - told.made_at
    if age_s > max_age_s:
        reasons.append(f"it is {age_s / 86400:.0f} days old, more than {max_age_s / 86400:.0f}")
    if age_s < -60:  # noqa: PLR2004 - clocks of two machines
        reasons.append("it was made in the future: a clock is wrong")
    return tuple(reasons)


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _python(told: Manifest) -> list[str]:

    wanted = told.platform.python
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if wanted == here or shutil.which(f"python{wanted}"):
        return []
    return [f"{start.NAME}: the kit needs Python {wanted}; this is {here}, and no python{wanted} is on PATH"]
