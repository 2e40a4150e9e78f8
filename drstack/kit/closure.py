"""Which distributions a kit needs: those of drstack and of the extras that its site uses, as they are installed here.

Decides by the metadata of what is installed, at exactly the versions that the operator runs. Invariant: every pin has
digests from the lock where there is one; a version that the lock does not name is refused.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from drstack.errors import KitNotMade

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

OWN = "drstack"
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """`digests`: SHA-256 of the files that may be taken; empty where no lock says."""

    name: str
    version: str
    digests: frozenset[str] = frozenset()


def pins(extras: Iterable[str], lock: Mapping[tuple[str, str], frozenset[str]] | None) -> tuple[Pin, ...]:
    """All that drstack with these extras needs, but itself, and pip. KitNotMade."""
    found: dict[str, Pin] = {}
    pending = [Requirement(f"{OWN}[{','.join(extras)}]"), Requirement("pip")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        wanted = pending.pop()
        name, asked = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        installed = _installed(name)
        if name != OWN and name not in found:
            found[name] = _pin(name, installed.version, lock)
        for text in installed.requires or ():
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *asked)):
                pending.append(each)
    return tuple(found[name] for name in sorted(found))


def read_lock(path: Path) -> dict[tuple[str, str], frozenset[str]]:
    """Digests by name and version, out of a requirements file with hashes."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for entry in re.split(r"\n(?=\S)", path.read_text()):
        if match := _ENTRY.match(entry):
            found[canonicalize_name(match[1]), match[2]] = frozenset(_DIGEST.findall(entry))
    return found


def _pin(name: str, version: str, lock: Mapping[tuple[str, str], frozenset[str]] | None) -> Pin:
    if lock is None:
        return Pin(name, version)
    if (name, version) not in lock:
        raise KitNotMade(
            f"{name} {version} is installed, and requirements.lock does not name it: the kit would hold what nobody tested",
            hint="make (sets the environment up as locked), then write the kit again.",
        )
    return Pin(name, version, lock[name, version])


def _installed(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise KitNotMade(
            f"{name} is not installed here, and the kit needs it",
            hint=f"Install {name} (pip install 'drstack[local,pulumi]'), then write the kit again.",
        ) from error
