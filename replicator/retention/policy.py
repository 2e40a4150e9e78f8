"""How much is kept: the newest, one for each hour, day, week, month, year, and everything that is young. Pure.

Pins, holds, the newest with its receipts and the newest that is proved are kept by every policy. Invariant: a policy
that names nothing to keep is refused, so that an empty mapping is never read as "keep nothing".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

Every = Literal["hourly", "daily", "weekly", "monthly", "yearly"]
EVERY: tuple[Every, ...] = get_args(Every)
_LAST_DAY = 253_402_214_400.0
"""The last second that every calendar here has."""


class Policy(BaseModel):
    """Numbers are of periods in which something was saved, as in restic; empty ones do not count."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    last: int | None = Field(default=None, ge=1)
    hourly: int | None = Field(default=None, ge=1)
    daily: int | None = Field(default=None, ge=1)
    weekly: int | None = Field(default=None, ge=1)
    monthly: int | None = Field(default=None, ge=1)
    yearly: int | None = Field(default=None, ge=1)
    min_age_s: float = Field(default=0.0, ge=0.0)
    """What was saved less long ago than this stays."""

    @model_validator(mode="after")
    def _names_something(self) -> Policy:
        if self.last is None and not any(True for _ in self.periods()):
            raise ValueError("names nothing to keep; write last: 20, or daily: 7")
        return self

    def periods(self) -> Iterator[tuple[Every, int]]:
        for every in EVERY:
            count: int | None = getattr(self, every)
            if count is not None:
                yield every, count

    def in_words(self) -> str:
        parts = [f"the newest {self.last}"] if self.last is not None else []
        parts += [f"{count} {every}" for every, count in self.periods()]
        parts += [f"younger than {self.min_age_s:g} s"] if self.min_age_s else []
        return ", ".join(parts)


def period(every: Every, at: float) -> str:
    """The hour, day, ISO week, month or year (UTC) in which `at` (unix seconds) lies; sorts by time."""
    when = datetime.fromtimestamp(min(max(at, 0.0), _LAST_DAY), tz=UTC)
    match every:
        case "hourly":
            return when.strftime("%Y-%m-%d %H h")
        case "daily":
            return when.strftime("%Y-%m-%d")
        case "weekly":
            year, week, _ = when.isocalendar()
            return f"{year:04d}-W{week:02d}"
        case "monthly":
            return when.strftime("%Y-%m")
        case "yearly":
            return when.strftime("%Y")
