"""Who goes next: by a seed, or every way there is."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.schedule import Choice


class Seeded:
    """Runs of one actor of a length that differs from seed to seed, faults now and then."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._stay = self._random.choice([0.0, 0.5, 0.8, 0.95])
        self._trouble = self._random.choice([0.0, 0.05, 0.3])

    def choose(self, options: Sequence[Choice], last: str) -> Choice:
        actors = sorted({option.actor for option in options})
        actor = last if last in actors and self._random.random() < self._stay else self._random.choice(actors)
        mine = [option for option in options if option.actor == actor]
        trouble = [option for option in mine if option.outcome != "go"]
        if trouble and (len(trouble) == len(mine) or self._random.random() < self._trouble):
            return self._random.choice(trouble)
        return next(option for option in mine if option.outcome == "go")


@dataclass(slots=True)
class Exhaustive:
    """Depth first through all choices, one run after another; a state that was met before is not entered again.

    `state` gives a hash of everything that the rest of the run depends on; it is set anew for each run.
    """

    seen: set[int] = field(default_factory=set)
    path: list[tuple[int, int]] = field(default_factory=list)
    """Of each choice of the last run: which option was taken, of how many."""
    state: Callable[[], int] | None = None
    _depth: int = 0

    def runs(self) -> Iterator[None]:
        """Yields once for each run that is to be made."""
        while True:
            self._depth = 0
            yield
            while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
                self.path.pop()
            if not self.path:
                return
            taken, among = self.path[-1]
            self.path[-1] = (taken + 1, among)

    def choose(self, options: Sequence[Choice], last: str) -> Choice | None:
        depth, self._depth = self._depth, self._depth + 1
        if depth == len(self.path):
            assert self.state is not None
            state = self.state()
            if state in self.seen:
                return None
            self.seen.add(state)
            self.path.append((0, len(options)))
        taken, among = self.path[depth]
        assert among == len(options), "the run is not determined by its choices"
        return options[taken]
