"""What a site's prover has tried: one JSON line an attempt, the newest KEPT of them.

It is where tolerances of unlike pairs are learnt from, and the trend of proofs. Invariant: a torn line is passed over;
losing the file loses no receipt.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from drstack.proving.outcome import Outcome
from drstack.proving.tolerance import Observation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEPT = 500


@dataclass(frozen=True, slots=True)
class Tried:
    at: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class History:
    path: Path

    def read(self) -> tuple[Tried, ...]:
        """Oldest first; nothing where there is no file."""
        try:
            lines = self.path.read_text().split("\n")
        except FileNotFoundError:
            return ()
        return tuple(row for line in lines if (row := _row(line)) is not None)

    def add(self, at: float, outcome: Outcome) -> None:
        """The whole file is written beside and renamed: one prover a site writes it, any number read it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [*self.read(), Tried(at, outcome)][-KEPT:]
        staged = self.path.with_name(f".{self.path.name}.tmp")
        staged.write_text("".join(json.dumps({"at": row.at, **asdict(row.outcome)}) + "\n" for row in rows))
        staged.replace(self.path)


def observations(rows: Sequence[Tried]) -> list[Observation]:
    """What is known of pairs; replays that failed are left out, for they speak of a checkpoint and not of the pair."""
    found: list[Observation] = []
    for row in rows:
        each = row.outcome
        if each.result in ("proved", "withheld") and each.pair and each.commit and each.greatest is not None:
            found.append(Observation(each.pair, f"{each.workload} {each.commit}", each.greatest))
    return found


def _row(line: str) -> Tried | None:
    try:
        body = json.loads(line)
        return Tried(float(body.pop("at")), Outcome(**body))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
