"""One site's prover: look at a workload's checkpoints, choose one, try it, remember how it went.

Invariant: it never tries the same checkpoint again and again: what could not be tried waits longer each time, and what
was withheld waits until something was learnt of its pair.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.proving.evidence import Evidence, NotProvable, evidence
from drstack.proving.history import History, observations
from drstack.proving.losses import LossesUnreadable, LossLog, read_losses
from drstack.proving.outcome import Outcome
from drstack.proving.points import Nothing, Point, choose
from drstack.proving.prove import Trial, left_over, release
from drstack.proving.tolerance import learn
from replicator.errors import DataCorrupt
from replicator.log.lineage import newest_first
from replicator.repository.ruling import is_suspect
from replicator.repository.select import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drstack.proving.ports import Standby
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

_BELOW = ("stored", "decoded")
_LOOK_S = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`steps` to replay at most; `deadline_s` for each run of the job."""

    steps: int = 5
    deadline_s: float = 600.0


@dataclass(slots=True)
class Prover:
    """Used by whoever holds the standby; one thread."""

    repository: Repository
    standby: Standby
    history: History
    settings: Settings
    clock: Callable[[], float] = time.time
    _logs: dict[str, LossLog | str | None] = field(default_factory=dict[str, "LossLog | str | None"])
    _waits: dict[tuple[str, str], tuple[int, float, str]] = field(
        default_factory=dict[tuple[str, str], tuple[int, float, str]]
    )

    def turn(self, workload: str, selector: str | None = None) -> Outcome:
        """Prove what `selector` names, or whatever is to be proved next. StoreError, NothingToRestore."""
        release(self.repository, workload, left_over(self.repository, workload, self.standby.site))
        self._forget_gone()
        found = self._chosen(workload, selector)
        if isinstance(found, Outcome):
            return found
        accepted, speaks = found
        if (why := self.standby.wanted()) is not None:
            return Outcome("gave way", why, workload, str(accepted.what.id()), accepted.what.step)
        trial = Trial(
            self.repository, self.standby, workload, self.settings.deadline_s, self._give_way(workload),
            observations(self.history.read()),
        )  # fmt: skip
        outcome = trial.prove(accepted, speaks)
        self.history.add(self.clock(), outcome)
        self._remember(outcome)
        return outcome

    def _chosen(self, workload: str, selector: str | None) -> tuple[Accepted, Evidence] | Outcome:
        if selector is None:
            found = choose(self._points(workload), lambda accepted: self._evidence(workload, accepted, waiting=True))
            if isinstance(found, Nothing):
                return Outcome("not provable", found.why, workload, None, None, settled=found.settled)
            return found.accepted, found.evidence
        accepted = select(self.repository, workload, selector)
        speaks = self._evidence(workload, accepted, waiting=False)
        if isinstance(speaks, NotProvable):
            return Outcome("not provable", speaks.why, workload, str(accepted.what.id()), accepted.what.step)
        return accepted, speaks

    def _points(self, workload: str) -> Iterator[Point]:
        for accepted in newest_first(self.repository.log(workload).view()):
            held = self.repository.receipts.levels(workload, accepted.slot, _BELOW)
            word = self.repository.receipts.words(workload, accepted.slot, "proved").get(self.standby.site)
            suspect = is_suspect(self.repository, workload, accepted)
            yield Point(accepted, all(held.values()), None if word is None else word[0], suspect)

    def _evidence(self, workload: str, accepted: Accepted, *, waiting: bool) -> Evidence | NotProvable:
        if waiting and (why := self._waits_for(workload, accepted)) is not None:
            return NotProvable(why, later=True)
        order = self.repository.log(workload).view().in_order()
        own = self._log(accepted)
        if isinstance(own, str):
            return NotProvable(own, later=False)
        later = order if own is not None else []
        after = [self._log(each) for each in later if each.what.id() > accepted.what.id()]
        twin = any(each.what.step == accepted.what.step and each.what.id() != accepted.what.id() for each in order)
        readable = [None if isinstance(each, str) else each for each in after]
        return evidence(accepted.what.step, own, readable, most=self.settings.steps, twin=twin)

    def _log(self, accepted: Accepted) -> LossLog | str | None:
        """What a checkpoint carries; why it cannot be read, where it cannot. Read once."""
        key = accepted.where.manifest.digest
        if key not in self._logs:
            try:
                self._logs[key] = read_losses(self.repository, accepted)
            except (LossesUnreadable, DataCorrupt) as error:
                self._logs[key] = str(error)
        return self._logs[key]

    def _forget_gone(self) -> None:
        """Logs of checkpoints that do not stand any more."""
        names = self.repository.workloads() if self._logs else []
        views = [self.repository.log(name).view() for name in names]
        standing = {each.where.manifest.digest for view in views for each in view.accepted.values()}
        self._logs = {key: log for key, log in self._logs.items() if key in standing}

    def _waits_for(self, workload: str, accepted: Accepted) -> str | None:
        commit = str(accepted.what.id())
        count, until, why = self._waits.get((workload, commit), (0, 0.0, ""))
        if count and self.clock() < until:
            return f"{why}; again in {until - self.clock():.0f} s"
        rows = self.history.read()
        last = next(
            (r.outcome for r in reversed(rows) if (r.outcome.workload, r.outcome.commit) == (workload, commit)), None
        )
        if (
            last is not None
            and last.result == "withheld"
            and last.pair
            and learn(observations(rows), last.pair) is None
        ):
            return f"withheld: {last.reason}"
        return None

    def _remember(self, outcome: Outcome) -> None:
        key = (outcome.workload, outcome.commit or "")
        if outcome.result != "unknown":
            self._waits.pop(key, None)
            return
        count = self._waits.get(key, (0, 0.0, ""))[0]
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(count, 10))
        self._waits[key] = (count + 1, self.clock() + wait_s, outcome.reason)

    def _give_way(self, workload: str) -> Callable[[], str | None]:
        """Why all must end now: the standby is wanted, or the workload's log was sealed or opened anew."""
        log = self.repository.twin().log(workload)
        lock, before, looked = threading.Lock(), log.view(), time.monotonic()

        def why() -> str | None:
            nonlocal looked
            if (wanted := self.standby.wanted()) is not None:
                return wanted
            with lock:
                if time.monotonic() - looked < _LOOK_S:
                    return None
                looked = time.monotonic()
                now = log.view()
            moved = (now.term, now.sealed) != (before.term, before.sealed)
            return f"the log of {workload} was sealed or opened anew" if moved else None

        return why
