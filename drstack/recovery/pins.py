"""Letting go of what an operation pinned, however it ended: replicators stop sending while a promotion's pin is new."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from replicator.repository.repository import Repository


def pin_name(journal: Journal, commit: object) -> str:
    return f"{_beginning(journal)}{commit}"


def let_go(world: World, journal: Journal) -> list[str]:
    """Returns why some stay, where a repository cannot be written."""
    begun = {str(record.body["step"]) for record in journal.records() if record.kind == "intent"}
    planned = [str(each["name"]) for each in (journal.plan() or {}).get("workloads", ())]
    names = [name for name in planned if {f"pin {name}", f"restore {name}"} & begun]
    each = [(repository, name) for repository in world.repositories.values() for name in names]
    told = world.beside([partial(_let_go, repository, name, _beginning(journal)) for repository, name in each])
    return [why for why in told if why is not None]


def _let_go(repository: Repository, workload: str, beginning: str) -> str | None:
    try:
        log = repository.log(workload)
        view = log.view()
        for name in [n for n in view.pins if n.startswith(beginning)]:
            log.unpin(name, term=view.term)
    except ReplicatorError as error:
        return f"pins of {workload} stay in {repository.name}, if there are any: {error}"
    return None


def _beginning(journal: Journal) -> str:
    return f"promotion-{journal.identity}-"
