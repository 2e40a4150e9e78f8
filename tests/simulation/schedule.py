"""Threads of real, synchronous code, of which exactly one runs at a time: who goes next is a choice, and is recorded.

An actor gives way before each operation that others can tell apart. There the chooser says who goes on and how the
operation ends: well, with its answer lost, or with the actor killed. The same choices make the same run.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STUCK_AFTER_S = 60.0


class Stopped(BaseException):
    """The actor was killed. Not an Exception, so that no code under test can catch it by accident."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`actor` goes on and its operation ends as `outcome`. The actor `network` lands a write that was under way."""

    actor: str
    outcome: str


class Chooser(Protocol):
    def choose(self, options: Sequence[Choice], last: str) -> Choice | None:
        """None ends the run."""
        ...


@dataclass(slots=True)
class Budget:
    """How much may go wrong in one run."""

    faults: int = 0
    stops: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """What an actor is about to do. `faults` are the ways in which it may go wrong; `ready` says whether it can go."""

    label: str
    faults: tuple[str, ...] = ()
    ready: Callable[[], bool] = lambda: True


START = Operation("start")


@dataclass(frozen=True, slots=True)
class Write:
    """A create that was sent and gave no answer; it may still take effect."""

    store: str
    objects: dict[str, bytes]
    key: str
    body: bytes

    def land(self) -> None:
        self.objects.setdefault(self.key, self.body)


@dataclass(slots=True)
class Actor:
    name: str
    scheduler: Scheduler
    waiting: Operation | None = START
    outcome: str = "go"
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    seen: int = 0
    """A hash of all that this actor was told: its state, as its code depends on nothing else."""
    count: int = 0

    def step(self, operation: Operation) -> str:
        return self.scheduler.give_way(self, operation)

    def wait(self, label: str, ready: Callable[[], bool]) -> None:
        """Go on only when `ready`; if it never is, the actor stops there."""
        self.step(Operation(label, ready=ready))

    def told(self, *what: object) -> None:
        self.seen = hash((self.seen, what))

    def token(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"


class Scheduler:
    def __init__(self, chooser: Chooser, budget: Budget) -> None:
        self.actors: dict[str, Actor] = {}
        self.under_way: list[Write] = []
        self.trace: list[tuple[str, str, str]] = []
        self.crashes: dict[str, Exception] = {}
        self.stopped: set[str] = set()
        self._programs: dict[str, Callable[[Actor], None]] = {}
        self._chooser = chooser
        self.budget = budget
        self.after_each: Callable[[], None] = lambda: None
        """Called whenever something has been done, before the next is chosen."""
        self._finished = threading.Event()
        self._ending = False
        self._cut_short = False
        self._last = ""

    def add(self, name: str, program: Callable[[Actor], None]) -> None:
        self.actors[name] = Actor(name, self)
        self._programs[name] = program

    def run(self) -> bool:
        """Until nobody can go on; whoever still waits is then stopped. False if the chooser ended it before."""
        threads = [threading.Thread(target=self._live, args=(actor,), daemon=True) for actor in self.actors.values()]
        for thread in threads:
            thread.start()
        self._hand_over(None)
        if not self._finished.wait(STUCK_AFTER_S):
            raise AssertionError(f"the simulation is stuck: {self.trace[-5:]}")
        self._ending = True
        for actor in self.actors.values():
            actor.turn.release()
        for thread in threads:
            thread.join(STUCK_AFTER_S)
        return not self._cut_short

    def give_way(self, actor: Actor, operation: Operation) -> str:
        if self._ending:
            raise Stopped
        actor.waiting = operation
        if self._hand_over(actor) is not actor:
            actor.turn.acquire()
        if self._ending or actor.outcome == "stop":
            self.stopped.add(actor.name)
            raise Stopped
        actor.waiting = None
        return actor.outcome

    def story(self) -> str:
        return "\n".join(f"{name:12} {label}{'' if outcome == 'go' else '  ** ' + outcome}"
                         for name, label, outcome in self.trace)  # fmt: skip

    def state(self) -> int:
        """A hash of all that the rest of the run depends on, besides the stores."""
        actors = tuple(
            (actor.name, actor.seen, actor.waiting.label if actor.waiting else None) for actor in self.actors.values()
        )
        under_way = tuple((write.store, write.key, write.body) for write in self.under_way)
        return hash((actors, under_way, self.budget.faults, self.budget.stops))

    def _live(self, actor: Actor) -> None:
        actor.turn.acquire()
        try:
            if self._ending or actor.outcome == "stop":
                return
            actor.waiting = None
            self._programs[actor.name](actor)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - a crash is a finding, told with the run's story
            self.crashes[actor.name] = error
        finally:
            actor.waiting = None
            actor.told("over")
            if not self._ending:
                self._hand_over(None)

    def _hand_over(self, running: Actor | None) -> Actor | None:
        """Choose who goes next and wake it, unless it is the one that runs. None when nobody can."""
        self.after_each()
        while True:
            options = self._options()
            if not options:
                self._finished.set()
                return None
            choice = self._chooser.choose(options, self._last)
            if choice is None:
                self._cut_short = True
                self._finished.set()
                return None
            self._last = choice.actor
            if choice.actor == "network":
                self.trace.append(("network", f"write {choice.outcome} lands", "go"))
                self.under_way.pop(int(choice.outcome)).land()
                continue
            actor = self.actors[choice.actor]
            assert actor.waiting is not None
            self.trace.append((actor.name, actor.waiting.label, choice.outcome))
            self.budget.faults -= choice.outcome in actor.waiting.faults
            self.budget.stops -= choice.outcome == "stop"
            actor.outcome = choice.outcome
            if actor is not running:
                actor.turn.release()
            return actor

    def _options(self) -> list[Choice]:
        options: list[Choice] = []
        for actor in self.actors.values():
            if actor.waiting is None or not actor.waiting.ready():
                continue
            options.append(Choice(actor.name, "go"))
            if self.budget.faults > 0:
                options += [Choice(actor.name, fault) for fault in actor.waiting.faults]
            if self.budget.stops > 0 and actor.waiting is not START:
                options.append(Choice(actor.name, "stop"))
        if options:
            options += [Choice("network", str(n)) for n in range(len(self.under_way))]
        return options
