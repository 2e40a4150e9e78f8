"""What became of a save that somebody waits for: a file for each, beside the spool's entries.

Invariant (DESIGN, rule 5): "acknowledged" is said only once every site of the acknowledging set, as the `open` of the
checkpoint's term names it, holds the commit with its receipts. Who waits hears that, or that it will never be, or goes on
waiting: there is no fourth answer. Where the set is empty, being in the spool is all that is asked for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from replicator.errors import CheckpointTorn, NotAcknowledged, ReplicatorError, Sealed
from replicator.layouts import inspect
from replicator.service.durable import write_durably
from replicator.service.intake import sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = ".acknowledged"
_KEPT = 64
_LOOK_S = 0.05
SAY_EVERY_S = 10.0


class Word(BaseModel):
    """`by`: the sites that acknowledged. `why`: why it never will be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["acknowledged", "sealed", "given-up"]
    workload: str
    step: int
    commit: str
    by: tuple[str, ...] = ()
    why: str | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """Those of one workload, below its spool's folder."""

    spool: Path

    def told(self, signature: str) -> Word | None:
        path = self.spool / FOLDER / f"{signature}.json"
        try:
            return Word.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ReplicatorError(f"{path} cannot be read: {error}", hint="Move that file away.") from error

    def tell(self, signature: str, word: Word) -> None:
        folder = self.spool / FOLDER
        folder.mkdir(exist_ok=True)
        write_durably(folder / f"{signature}.json", word.model_dump_json().encode())
        for old in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)


def await_word(
    path: Path, spool: Path, *, timeout_s: float | None = None, say: Callable[[str], None] = lambda _text: None
) -> Word:
    """Wait until the save at `path` is acknowledged; `spool` is the replicator's, of this workload.

    Without `timeout_s` for as long as it takes: with its near site down, a save at RPO 0 stalls. `say` hears of that.
    Sealed if another site writes now; NotAcknowledged if it will never be, or not in time; CheckpointTorn.
    """
    candidate = inspect(path)
    if not candidate.complete:
        raise CheckpointTorn(f"{path}: {candidate.why}")
    signature, words = sign(candidate), Words(spool)
    began = said = time.monotonic()
    while (word := words.told(signature)) is None:
        now = time.monotonic()
        if timeout_s is not None and now - began >= timeout_s:
            raise NotAcknowledged(f"{path} is not acknowledged after {timeout_s:g} s")
        if now - said >= SAY_EVERY_S:
            said = now
            say(f"{path.name} waits for its acknowledgement since {now - began:.0f} s")
        time.sleep(_LOOK_S)
    return believed(word)


def believed(word: Word) -> Word:
    """The word, if it acknowledges. Sealed, NotAcknowledged."""
    if word.outcome == "sealed":
        raise Sealed(f"step {word.step} of {word.workload} is not acknowledged: {word.why}")
    if word.outcome == "given-up":
        raise NotAcknowledged(f"step {word.step} of {word.workload} will never be acknowledged: {word.why}")
    return word
