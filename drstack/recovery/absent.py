"""A site that cannot be seen at all: it has published no descriptor. A fact like any other, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.recovery.ports import Fence, SiteObservation

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AbsentSite:
    name: str
    why: str

    def observe(self, *, deadline_s: float) -> SiteObservation:
        del deadline_s
        return SiteObservation(self.name, reachable=False, why=self.why)

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        del deadline_s, only, order
        return Fence("assumed", "nothing", self.why)

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        del order
        raise self._refuse(f"{slots} slots within {deadline_s:g} s")

    def checkpoints(self, workload: str) -> Path:
        raise self._refuse(f"the checkpoint folder of {workload}")

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        del order
        raise self._refuse(f"a start of {workload} from step {resume_step} ({token}) within {deadline_s:g} s")

    def serve(self, workload: str, *, deadline_s: float) -> None:
        raise self._refuse(f"replicas of {workload} within {deadline_s:g} s")

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        del order
        raise self._refuse(f"a stop of {workload} within {deadline_s:g} s")

    def _refuse(self, what: str) -> ActuatorFailed:
        return ActuatorFailed(f"{self.name} was asked for {what}: {self.why}")
