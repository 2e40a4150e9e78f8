"""Checkpoints that are another name of one beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replicator.layouts.candidate import Candidate


def aliased(candidate: Candidate, *, is_last: bool) -> Candidate:
    """`last…` is an alias; standing alone it is written again and again."""
    return replace(candidate, alias=True, rewritten=candidate.path.is_file()) if is_last else candidate
