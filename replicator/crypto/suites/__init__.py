"""The suites that this version knows. Adding one is a file beside this one and a line in the registry.

`none` is not among them: it is the absence of a suite, and ranks below every one (`rank`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.crypto.suites.hybrid1 import Hybrid1
from replicator.errors import Untrusted

if TYPE_CHECKING:
    from replicator.crypto.suites.suite import Suite

NONE = "none"
DEFAULT = Hybrid1.name
_KNOWN: tuple[Suite, ...] = (Hybrid1(),)
SUITES = {suite.name: suite for suite in _KNOWN}


def suite_named(name: str) -> Suite:
    """Untrusted if this version does not know it."""
    if name not in SUITES:
        raise Untrusted(f"suite {name!r} is unknown", hint="Use a newer drstack for it.")
    return SUITES[name]


def rank(name: str) -> int:
    """Its strength: a trust file refuses what ranks below the suite that it names."""
    return 0 if name == NONE else suite_named(name).rank
