"""Whether a drill's run made the losses of the real run, as far as later real checkpoints carry them.

Invariant: nothing is said of a checkpoint by one drill alone; a difference sends its reader to `drstack prove`, which
replays twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.proving.evidence import Evidence, NotProvable, evidence
from drstack.proving.losses import LossesUnreadable, read_losses
from drstack.proving.proof import Proof, compare, unlikeness
from replicator.errors import DataCorrupt

if TYPE_CHECKING:
    from drstack.drills.script import Logged
    from drstack.proving.losses import LossLog
    from replicator.log.replay import Accepted
    from replicator.model import CommitId
    from replicator.repository.repository import Repository

_MOST = 5


def compared(repository: Repository, workload: str, commit: CommitId, logged: Logged) -> Proof | str:
    """How the drill's losses compare; why they cannot be compared, where they cannot. StoreError."""
    order = repository.log(workload).view().in_order()
    accepted = next((each for each in order if each.what.id() == commit), None)
    if accepted is None:
        return "the recovery point stands no more"
    own = _losses(repository, accepted)
    later = [_losses(repository, each) for each in order if each.what.id() > commit] if own is not None else []
    twin = any(each.what.step == accepted.what.step and each.what.id() != commit for each in order)
    found = evidence(accepted.what.step, own, later, most=_MOST, twin=twin)
    return judged(found, logged, accepted.what.step)


def judged(found: Evidence | NotProvable, logged: Logged, step: int) -> Proof | str:
    """Pure. Only steps that both made are compared."""
    if isinstance(found, NotProvable):
        return found.why
    if logged.resumed_step != step:
        return f"the drill's run says that it resumed from step {logged.resumed_step}, not {step}"
    replayed = {at: float.fromhex(loss) for at, loss in logged.losses.items()}
    both = {at: loss for at, loss in found.losses.items() if at in replayed}
    if not both:
        return "the drill's run made none of the steps whose losses the real run logged"
    unlike = unlikeness(found.versions, logged.versions)
    if logged.exact is False and not unlike:
        unlike = ("the trainer itself says that it cannot go on bit for bit here",)
    return compare(both, replayed, unlike=unlike, tolerance=None)


def _losses(repository: Repository, accepted: Accepted) -> LossLog | None:
    try:
        return read_losses(repository, accepted)
    except (LossesUnreadable, DataCorrupt):
        return None
