"""The essentials of a checkpoint's versions in one line, for lists and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replicator.model import Versions

_SHORT = 12


def brief(versions: Versions) -> str:
    """Only what is known; empty where nothing is. A `+` after the commit: with changes on top."""
    gpus = f"{versions.gpus} x {versions.gpu}" if versions.gpus and versions.gpu else None
    parts = [
        f"code {versions.commit[:_SHORT]}{'+' if versions.dirty else ''}" if versions.commit else None,
        f"data {_digest(versions.data)}" if versions.data else None,
        f"model {versions.model}" if versions.model else None,
        f"lock {_digest(versions.lock)}" if versions.lock else None,
        f"torch {versions.torch}" if versions.torch else None,
        f"driver {versions.driver}" if versions.driver else None,
        gpus,
        f"{versions.world} ranks" if versions.world else None,
        versions.dtype,
    ]
    return ", ".join(part for part in parts if part)


def _digest(value: str) -> str:
    return value.rpartition(":")[2][:_SHORT]
