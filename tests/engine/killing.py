"""Where operators are killed, generated over all steps of a plan; and the environment of real sites in which they are.

A point is a record of a journal, and a moment about it: right after it was written, or right before it (what it tells of
was done), or within the step that its intent begins. `Points` come from the very functions that make plans.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drstack.platforms.local import processes
from drstack.platforms.local.replicator import ensure_replicator
from drstack.platforms.local.waiting import Deadline
from drstack.recovery.operation import unfinished
from drstack.recovery.steps import fence_step, promotion_steps, switchover_steps
from replicator.repository.repository import Repository
from replicator.service.config import ServiceConfig
from replicator.stores.local import LocalStore
from tests.engine.local_project import CHECKOUT, Project
from tests.engine.operators import Operators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.platforms.local.folder import SiteFolder
    from drstack.witness.journal import Journal

COUNTER = CHECKOUT / "tests" / "drstack" / "kit" / "counter.py"
WORKLOADS = ("aux", "gpt")
LONG_S = 90
QUIET_S = 0.5
ENVIRONMENT = """\
environment: local
strategy: active-passive
witness: file:witness
state: file:state
sites:
  east: {{platform: local, slots: 3, capacity: 2}}
  west: {{platform: local, slots: 3, capacity: 2}}
workloads:
  gpt:
    class: training
    job: {{command: [python, {program}, --save-when-stopped, --slowly], ranks: 1}}
    checkpoints: {{path: checkpoints/gpt, every: 3s}}
    rpo: 1h
  aux:
    class: training
    job: {{command: [python, {program}, --save-when-stopped, --slowly], ranks: 1}}
    checkpoints: {{path: checkpoints/aux, every: 3s}}
    rpo: 1h
steps:
  buy:
    shell: [sh, -c, "echo {{operation}} >> {bought}"]
    check: [grep, -qx, "{{operation}}", {bought}]
"""


@dataclass(frozen=True, slots=True)
class Point:
    """`when`: after, before or within. `nth`: of records that read the same, which one."""

    plan: str
    when: str
    kind: str
    step: str
    nth: int
    machine: str
    """Whose operator takes it up: the same machine's, or another's."""

    def __str__(self) -> str:
        if self.when == NEVER:
            return f"{self.plan}, undisturbed"
        n = "" if self.nth == 1 else f" ({self.nth})"
        at = " ".join(filter(None, (self.kind, self.step)))
        return f"{self.plan}: killed {self.when} {at}{n}, taken up by the {self.machine} machine"

    @property
    def over(self) -> bool:
        """Whether nothing is left to do but to tell of it."""
        return self.when == NEVER or (self.when, self.kind) == ("after", "end")


def of(name: str) -> dict[str, Any]:
    return {"name": name, "writer": "east", "term": 1, "seal": ("east", "west"), "reopen": False}


def ids(steps: Sequence[Any], *own: str) -> tuple[str, ...]:
    return (*own, *(step.id for step in steps))


BOTH = [of(name) for name in WORKLOADS]
STEPS = {
    "promote": ids(promotion_steps("west", BOTH, ["east"], {}, alone=False), "step buy"),
    "switchover": ids(switchover_steps("west", BOTH, {}, alone=False), "step buy"),
    "failback": ids(switchover_steps("west", BOTH, {}, alone=False), "step buy"),
    "one alone": ids(promotion_steps("west", [of("aux")], ["east"], {}, alone=True)),
    "fence": ids([fence_step("east", alone=False)]),
}
REOPENED = [ids(promotion_steps("east", [{**of(n), "reopen": True}], [], {}, alone=True)) for n in WORKLOADS]
"""What an abort does once all was sealed: a new term for each workload."""
Recorded = tuple[str, str, int]
STARTED = [(kind, name, 1) for name in WORKLOADS for kind in ("start again", "started again")]


def towards(step: str, target: str) -> str:
    """The step of a plan with that target; those above lead to west."""
    act, _, subject = step.partition(" ")
    other = {"east": "west", "west": "east"}.get(subject, subject)
    return step if target == "west" else f"{act} {other}".strip()


def records_of(steps: Sequence[str]) -> list[tuple[str, str]]:
    return [("plan", ""), *((kind, step) for step in steps for kind in ("intent", "outcome")), ("end", "")]


def counted(records: Sequence[tuple[str, str]]) -> list[Recorded]:
    return [(kind, step, records[: n + 1].count((kind, step))) for n, (kind, step) in enumerate(records)]


RECORDS: dict[str, list[Recorded]] = {plan: counted(records_of(steps)) for plan, steps in STEPS.items()}
RECORDS["lift"] = [("lift", "", 1), *STARTED]
RECORDS["abort"] = [
    *counted([("end", ""), *(each for steps in REOPENED for each in records_of(steps))]),
    *STARTED,
    ("stood down", "", 1),
]


NEVER = "never"


def generated() -> list[Point]:
    """Two kills of each step and one of each other record, each taken up by the same machine and by another; and none."""
    points: list[Point] = []
    for plan, records in RECORDS.items():
        points.append(Point(plan, NEVER, "", "", 1, "same"))
        inside = 0
        for kind, step, nth in records:
            for machine in ("same", "other"):
                if kind == "intent":
                    when = ("after", "within", "before")[inside % 3]
                    points.append(Point(plan, when, "outcome" if when == "before" else kind, step, nth, machine))
                    inside += 1
                    continue
                points.append(Point(plan, "after", kind, step, nth, machine))
                if kind == "started again":
                    points.append(Point(plan, "before", kind, step, nth, machine))
    return points


def in_turn(points: Sequence[Point]) -> list[Point]:
    """Shuffled once, so that the first few are a fair share; a seed is a place in this list."""
    shuffled = list(points)
    random.Random(6).shuffle(shuffled)
    return shuffled


POINTS = in_turn(generated())


class Bench:
    """Two real sites, two workloads that train, and two machines of operators."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.bought = folder / "bought"
        self.bought.write_text("")
        self.project.declare(ENVIRONMENT.format(program=COUNTER, bought=self.bought))
        self.folders = {"same": self.project.folder, "other": folder / "elsewhere" / "checkout"}
        shutil.copytree(self.project.folder, self.folders["other"])
        for machine in self.folders:
            (folder / machine).mkdir()
        self._home = folder
        self.operators = Operators(folder / "operators")

    def begin(self) -> None:
        for site in ("local.west", "local.east"):
            self.project.init(site)
            self.project.up(site)
        for site in ("west", "east"):
            self._hasten(self.project.site(site))
        self.await_points()

    def _hasten(self, site: SiteFolder) -> None:
        """Have checkpoints shipped sooner than after the ten seconds of quiet that files without a marker must stand."""
        told = ServiceConfig.model_validate_json(site.replicator_config.read_bytes())
        ensure_replicator(site, told.model_copy(update={"quiet_s": QUIET_S}))

    @property
    def witness(self):
        return self.project.witness

    def environ(self, machine: str) -> dict[str, str]:
        """Each machine has its own home, and nothing of the other's."""
        home = str(self._home / machine)
        own = {f"XDG_{name}_HOME": f"{home}/{name.lower()}" for name in ("STATE", "CACHE", "CONFIG", "DATA")}
        return {**self.project.environ(), **own, "HOME": home, "DRSTACK_OPERATOR": f"{machine}'s operator"}

    def run(self, machine: str, *command: str, codes: Sequence[int] = (0,)) -> dict[str, Any]:
        """What `drstack … --json` printed."""
        code, printed, told = self.operators.run([*command, "--json"], self.folders[machine], self.environ(machine))
        assert code in codes, f"{command} exited {code}:\n{printed}\n{told}"
        return json.loads(printed) if printed else {}

    def run_to_death(self, point: Point, *command: str) -> None:
        """By an operator of the same machine, who dies at that point."""
        death = None if point.when == NEVER else [point.when, point.kind, point.step, point.nth]
        code, printed, told = self.operators.run(command, self.folders["same"], self.environ("same"), death=death)
        wanted = 0 if death is None else -signal.SIGKILL
        assert code == wanted, f"it ended with {code}:\n{printed}\n{told}"

    def site(self, name: str):
        return self.project.open(name)

    def job(self, workload: str, site: str):
        return self.site(site).observe(deadline_s=10).jobs[workload]

    def trainers(self, site: str) -> dict[str, int]:
        """How many processes of each workload's trainer run at a site, by the kernel's word."""
        found = dict.fromkeys(WORKLOADS, 0)
        for seen in processes.of_site(self.project.site(site)):
            if str(COUNTER) in seen.command:
                with contextlib.suppress(OSError):
                    told = (Path("/proc") / str(seen.pid) / "environ").read_bytes().split(b"\0")
                    at = next(each for each in told if each.startswith(b"DRSTACK_CHECKPOINTS="))
                    found[os.fsdecode(at).rpartition("/")[2]] += 1
        return found

    def starts(self, workload: str, site: str) -> list[dict[str, Any]]:
        """Every start that a trainer told of at a site."""
        path = self.project.site(site).metrics(workload)
        lines = path.read_text().splitlines() if path.exists() else []
        return [each for each in map(json.loads, lines) if each["event"] == "start"]

    def view(self, workload: str, site: str):
        return Repository(site, LocalStore(self.project.site(site).store)).log(workload).view()

    def writers(self) -> dict[str, str]:
        current = self.witness.current()
        return {name: current.writer(name) for name in WORKLOADS}

    def points_of(self, workload: str, site: str) -> list[int]:
        """Steps of the checkpoints of the term that stands, with receipts, in a site's repository."""
        repository = Repository(site, LocalStore(self.project.site(site).store))
        view = repository.log(workload).view()
        return [
            each.what.step
            for each in view.in_order()
            if each.what.term == view.term
            and all(repository.receipts.levels(workload, each.slot, ("stored", "decoded")).values())
        ]

    def await_points(self) -> None:
        """Until each workload trains where it is written, and has a recovery point of this term at the other site."""
        for name, site in self.writers().items():
            other = "west" if site == "east" else "east"
            assert Deadline(LONG_S).until(lambda n=name, s=site: self.job(n, s).running, 0.2), f"{name} stands still"
            assert Deadline(LONG_S).until(lambda n=name, o=other: self.points_of(n, o), 0.2), f"{name}: nothing arrives"

    def stand_by(self, site: str) -> None:
        """Have a fenced site take part again, by the same actuator as `drstack up`."""
        self.site(site).set_capacity(2, deadline_s=60)

    def newest_journal(self) -> Journal:
        number = self.witness.current().number
        for base in (number, number - 1):
            found = self.witness.journals(base)
            if found:
                return found[-1]
        raise AssertionError("no operation was ever begun")

    def unfinished(self) -> Journal | None:
        return unfinished(self.witness)

    def engines(self) -> list[str]:
        """Processes of the engine that belong to this environment."""
        mark, found = f"DRSTACK_ROOT={self.project.root}".encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if b"pulumi" in (entry / "cmdline").read_bytes()[:60] and mark in (entry / "environ").read_bytes():
                        found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()[:80]!r}")
        return found

    def close(self) -> None:
        self.operators.close()
        self.project.close()
