"""What an anchor knows of and a log has not: checkpoint by checkpoint, who else holds it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.log.replay import LogView
    from replicator.repository.anchors import Anchor

_NAMED = 20
"""Checkpoints that are told one by one; of more the number is."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A checkpoint that an anchor knows of and the log does not; `held_by`: URLs of peers where it stands."""

    commit: CommitId
    held_by: tuple[str, ...]


def missing(view: LogView, anchor: Anchor, peers: Sequence[tuple[str, LogView]]) -> list[Missing]:
    """What was committed up to the anchor, by its term and height, and is not in the log. Pure.

    Of terms between the log's and the anchor's nothing but that they were is known.
    """
    there = view.heads().get(str(anchor.term), 0)
    known = [CommitId(anchor.term, height) for height in range(there + 1, anchor.height + 1)]
    return [Missing(each, tuple(url for url, peer in peers if each in peer.accepted)) for each in known]


def told(lost: Sequence[Missing]) -> list[str]:
    """For people, a line each."""
    lines = [
        f"{each.commit}: in {', '.join(each.held_by)}"
        if each.held_by
        else f"{each.commit}: UNKNOWN LOSS: only the anchor knows of it"
        for each in lost[:_NAMED]
    ]
    rest = lost[_NAMED:]
    return lines + (
        [f"and {len(rest)} more, {sum(not each.held_by for each in rest)} in no repository"] if rest else []
    )
