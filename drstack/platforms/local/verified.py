"""What a local site's replicator says of its repository in its status file (replicator.service.verifying)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, ValidationError

from drstack.recovery.ports import Verified

if TYPE_CHECKING:
    from pathlib import Path


class _Last(BaseModel):
    at: float
    workload: str
    step: int
    ok: bool
    reason: str | None
    seconds: float

    @property
    def words(self) -> str:
        return f"step {self.step} of {self.workload} " + (
            f"in {self.seconds:.1f} s" if self.ok else f"FAILED: {self.reason}"
        )


class _Drill(BaseModel):
    last: _Last | None = None
    overdue: bool = False
    next: tuple[str, ...] = ()


class _Scrub(BaseModel):
    ended_at: float | None = None
    damaged: dict[str, str] = Field(default_factory=dict)
    overdue: bool = False


class _Verification(BaseModel):
    scrub: _Scrub | None = None
    drill: _Drill | None = None


class _Status(BaseModel):
    at: float | None = None
    verification: _Verification | None = None


def read_verified(status: Path) -> Verified | None:
    """None where it says nothing of it: it neither scrubs nor drills, never ran, or is of another version."""
    try:
        status_now = _Status.model_validate_json(status.read_bytes())
    except (OSError, ValidationError):
        return None
    said = status_now.verification
    if said is None:
        return None
    scrub, drill = said.scrub or _Scrub(), said.drill or _Drill()
    last = drill.last
    return Verified(
        drilled_at=last.at if last else None,
        drilled=last.words if last else None,
        drill_ok=last is None or last.ok,
        scrubbed_at=scrub.ended_at,
        damaged=len(scrub.damaged),
        overdue=tuple(name for name, late in (("scrub", scrub.overdue), ("drill", drill.overdue)) if late),
        next=drill.next,
        at=status_now.at,
    )
