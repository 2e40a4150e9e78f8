"""One look at an environment, from its file to a judgement. What cannot be looked at is judged too."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drstack.assembly import assemble, load, local_root, project_root
from drstack.errors import DrstackError
from drstack.readiness.gathering import Memory, gather, nothing_seen
from drstack.readiness.judge import judge
from drstack.recovery.conduct import look
from drstack.recovery.operation import unfinished
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.custody.readiness import Readiness as Custody
    from drstack.readiness.drills import Drill
    from drstack.readiness.judge import Readiness
    from drstack.recovery.facts import Facts
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


class Silent:
    """Progress that nobody is shown."""

    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        del step, seconds, detail


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen. `world`, `facts` and `running` are None where looking failed; `error` is why."""

    readiness: Readiness
    world: World | None = None
    facts: Facts | None = None
    running: Journal | None = None
    protection: Custody | None = None
    drills: Mapping[str, Drill] = field(default_factory=dict[str, "Drill"])
    unsigned: Sequence[Doc] = ()
    """Operations that went on without approvals, and nobody signed off."""
    error: DrstackError | ReplicatorError | None = None


@dataclass(slots=True)
class Looking:
    """Looks again and again. Everything is opened anew each time, but for operations that have ended."""

    environment: str
    clock: Callable[[], float] = time.time
    memory: Memory = field(default_factory=Memory)

    def look(self) -> Looked:
        """Errors of ours become a judgement; what was not foreseen is raised."""
        witness = self.environment
        try:
            declared, root = load(self.environment), local_root(project_root())
            witness = declared.witness
            world = assemble(declared, root, None, progress=Silent())
            running = unfinished(world.witness)
            facts = look(world)
            situation = gather(declared, root, world, facts, running, self.memory)
        except (DrstackError, ReplicatorError) as error:
            return Looked(judge(nothing_seen(self.environment, witness, self.clock(), error)), error=error)
        return Looked(judge(situation), world, facts, running, situation.custody, situation.drills, situation.unsigned)
