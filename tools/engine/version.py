"""Which Pulumi engines serve."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Version:
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


WANTED = Version(3, 259, 0)
"""What is fetched or built where none is on PATH; Python's `pulumi` is locked to the same minor."""
OLDEST = Version(3, 227, 0)

_LINE = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)(?:[-+]\S*)?$", re.MULTILINE)


def parse(text: str) -> Version:
    """Read the output of `pulumi version`, around which the CLI may print notices. Raises ValueError."""
    match = _LINE.search(text.replace("\r", ""))
    if match is None:
        raise ValueError(f"no version in {text.strip()[:80]!r}")
    return Version(int(match[1]), int(match[2]), int(match[3]))


def objection(version: Version) -> str | None:
    """Why an engine of this version does not serve."""
    if version < OLDEST:
        return f"{version} is older than {OLDEST}"
    if version.major != WANTED.major:
        return f"{version} is not of Pulumi {WANTED.major}"
    return None
