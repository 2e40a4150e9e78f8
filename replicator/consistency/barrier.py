"""All ranks stand still at the same step, or all go on: a barrier that gives up without harm.

Ranks meet on a board of create-only notes. Each posts its step; rank 0 waits for all and posts what was decided; a rank
that has waited too long posts `no` itself. Whoever posts first decides for all, so that no rank goes on while another
still believes that all stand still. A collective that times out would leave its group unusable; a board does not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_GO = "go"
_DONE = "done"


class Board(Protocol):
    """Notes that all ranks see. A note is written once: who comes later reads what stands."""

    def post(self, key: str, note: str) -> str:
        """The note that stands under the key: ours, or an earlier one."""
        ...

    def read(self, key: str, timeout_s: float) -> str | None:
        """The note, as soon as it is there; None after the time."""
        ...


@dataclass(slots=True)
class StepBarrier:
    """One rank's view. Every rank calls `hold` equally often; `timeout_s`: how long ranks wait for one another."""

    board: Board
    rank: int
    world: int
    timeout_s: float = 30.0
    clock: Callable[[], float] = time.monotonic
    _round: int = 0

    def hold(self, step: int, work: Callable[[], object], work_s: float) -> str | None:
        """On rank 0 do `work` while every rank stands at `step`; None, or why the ranks did not stand still together.

        Other ranks wait for its end, at most `work_s`: one that goes on then says so, and rank 0 hears it. An error in
        `work` is raised on rank 0 after the others were let go.
        """
        self._round += 1
        place = f"point/{self._round}"
        refused = self._meet(place, step)
        if refused is not None:
            return refused
        if self.rank != 0:
            ended = self.board.read(f"{place}/{_DONE}", work_s) or self.board.post(
                f"{place}/{_DONE}", f"rank {self.rank} went on after {work_s:g} s"
            )
            return None if ended == _DONE else ended
        try:
            work()
        finally:
            ended = self.board.post(f"{place}/{_DONE}", _DONE)
        return None if ended == _DONE else ended

    def _meet(self, place: str, step: int) -> str | None:
        self.board.post(f"{place}/{self.rank}", str(step))
        decision = f"{place}/decision"
        if self.rank == 0:
            stands = self.board.post(decision, self._judge(place, step))
        else:
            known = self.board.read(decision, 2 * self.timeout_s)
            stands = known or self.board.post(
                decision, f"rank {self.rank} heard nothing within {2 * self.timeout_s:g} s"
            )
        return None if stands == _GO else stands

    def _judge(self, place: str, step: int) -> str:
        until = self.clock() + self.timeout_s
        for rank in range(1, self.world):
            there = self.board.read(f"{place}/{rank}", max(0.0, until - self.clock()))
            if there is None:
                return f"rank {rank} did not come within {self.timeout_s:g} s"
            if there != str(step):
                return f"rank {rank} is at step {there}, rank 0 at step {step}"
        return _GO
