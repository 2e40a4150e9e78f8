"""Two checkpoints under one (term, height), in two repositories: which of them will stand.

A writer that lost what it had counted, while a repository was away, may give a height out again. The checkpoint in a
repository that acknowledges stands, for a synchronous save may have returned on it; of those, and of the others, the
promotion's target has it, else the first by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from drstack.recovery.facts import RepositoryFact
    from replicator.model import CommitId


def by_preference(names: Iterable[str], acknowledge: Collection[str], target: str | None) -> list[str]:
    """The repositories whose word counts first, first."""
    return sorted(names, key=lambda name: (name not in acknowledge, name != target, name))


def contested(
    repositories: Mapping[str, RepositoryFact], acknowledge: Collection[str], target: str | None
) -> frozenset[tuple[str, CommitId]]:
    """(repository, commit) of what will be void because a repository that counts before it has another of that name.

    As far as facts go: they end with each repository's newest recovery point.
    """
    stands: dict[CommitId, str] = {}
    void: set[tuple[str, CommitId]] = set()
    for name in by_preference(repositories, acknowledge, target):
        for commit in repositories[name].newest:
            if stands.setdefault(commit.id, commit.root) != commit.root:
                void.add((name, commit.id))
    return frozenset(void)
