"""Bringing a repository up to the assignment that stands: `seal` of what came before, then `open` (DESIGN, rule 3).

A repository that was away gets this before anything else there starts. Both entries are convergent: the second time
nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drstack.witness.assignment import Assignment
    from replicator.log.replay import LogView
    from replicator.repository.repository import Repository


def bring_up_to(assignment: Assignment, workload: str, repository: Repository) -> LogView:
    """Seal and open `workload` in the repository for `assignment`. Returns what its log then says.

    A repository that already knows a later term is left as it is: the assignment given is not the newest. Sealed where
    it opened this very term otherwise: the witness is not the one that made that term. KeyAbsent without the promoter's
    key, where something is to be written.
    """
    log = repository.log(workload)
    opening = assignment.opening(workload)
    view = log.view()
    if view.term < opening.term and view.slots:
        log.seal(opening.term - 1, reason=f"assignment {assignment.number} opens term {opening.term}")
    if view.term <= opening.term:
        log.open(opening)
    return log.view()
