"""Says that nothing new arrives at a repository, within two intervals: also where the writer that should say it is dead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.service.objective import interval_s, stalled

if TYPE_CHECKING:
    from replicator.service.workload import Workload

_log = structlog.get_logger("replicator")


@dataclass(slots=True)
class StallAlarm:
    """Of one workload. `stalled`: the destinations that get nothing new; at a standby only its own repository is seen."""

    workload: Workload
    stalled: set[str] = field(default_factory=set[str])

    def look(self, now: float) -> None:
        found = {name for name, newest_at in self._seen().items() if self._late(newest_at, now)}
        for name in sorted(found - self.stalled):
            every_s = interval_s(self.workload.saves)
            _log.error(
                "nothing new arrives", workload=self.workload.watched.name, destination=name,
                role=self.workload.role, interval_s=every_s,
            )  # fmt: skip
        for name in sorted(self.stalled - found):
            _log.info("checkpoints arrive again", workload=self.workload.watched.name, destination=name)
        self.stalled = found

    def _seen(self) -> dict[str, float | None]:
        """Per destination that can be judged here, when the newest checkpoint that it holds was saved."""
        workload = self.workload
        if workload.role == "writer":
            return {each.repository.name: each.status.last_saved_at for each in workload.shippers}
        return {workload.own.name: workload.newest.saved_at if workload.newest is not None else None}

    def _late(self, newest_at: float | None, now: float) -> bool:
        rpo_s = self.workload.watched.rpo_s
        return stalled(self.workload.saves, newest_at=newest_at, now=now, rpo_s=rpo_s)
