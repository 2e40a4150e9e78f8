"""What a notice says, and what is asked of a cloud's metadata service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Notice:
    """`ends_at`: unix seconds at which the machine goes at the earliest, None where the cloud does not say.

    Not `certain`: the cloud only warns that it may. Saving is wise, stopping is not.
    """

    reason: str
    certain: bool
    ends_at: float | None = None


class Notices(Protocol):
    """A metadata service. `look` asks once, within seconds; NoticeUnreadable where it did not answer as documented."""

    @property
    def poll_s(self) -> float:
        """Seconds between two looks, as the cloud advises."""
        ...

    def look(self) -> Notice | None: ...
