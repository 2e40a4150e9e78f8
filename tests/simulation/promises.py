"""What DESIGN 2 promises of operations, read off the stores and the places: after each step, and when all is over.

Each check names its rule. Nothing here asks the code under test what it believes.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from drstack.recovery.operation import parse, unfinished
from replicator.log.entries import Commit, Seal
from tests.simulation.places import ENVIRONMENT, WITNESS, WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drstack.witness.assignment import Assignment, WorkloadAssignment
    from drstack.witness.journal import Journal
    from replicator.log.replay import LogView
    from replicator.model import CommitId
    from tests.simulation.places import Ground
    from tests.simulation.schedule import Scheduler

Doc = dict[str, Any]
MAY_BE_LEFT_OUT = ("requests", "answers", "prove", "release", "reconcile", "step")


class Promises:
    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.broken: list[str] = []
        self._size = -1
        self._assigned = 1
        self._starts = 0
        self._terms: dict[tuple[str, str], int] = {}
        self._logs: dict[str, int] = {}
        self._witness = ground.witness(None)
        self._repositories = {name: ground.repository(None, name) for name in ground.sites}

    def look(self) -> None:
        """Called after each step of anybody."""
        ground = self.ground
        for writers in ground.given_back:
            self._given_back(writers)
        ground.given_back.clear()
        size = sum(map(len, ground.objects.values())) + len(ground.starts) + sum(ground.bought.values())
        if size == self._size:
            return
        self._size = size
        for n, key in enumerate(islice(ground.objects[WITNESS], self._logs.get(WITNESS, 0), None)):
            del n
            if key.startswith(f"{ENVIRONMENT}/assignments/"):
                self._assignments()
            elif key.startswith(f"{ENVIRONMENT}/operations/"):
                self._journal(key)
        self._logs[WITNESS] = len(ground.objects[WITNESS])
        for name in ground.sites:
            if len(ground.objects[name]) != self._logs.get(name):
                self._logs[name] = len(ground.objects[name])
                self._repository(name)
        for start in ground.starts[self._starts :]:
            self._started(start)
        self._starts = len(ground.starts)
        for operation, count in ground.bought.items():
            if count > 1:
                self._say(f"rule 13: operation {operation} bought {count} times")

    def _say(self, what: str) -> None:
        if what not in self.broken:
            self.broken.append(what)

    # Assignments (rules 4 and 5)

    def _assignments(self) -> None:
        every = self._witness.assignments()
        for assignment in every[self._assigned :]:
            self._assignment(every[assignment.number - 2], assignment)
        self._assigned = len(every)

    def _assignment(self, before: Assignment, made: Assignment) -> None:
        journal = self._journal_of(made)
        plan = (journal.plan() or {}) if journal is not None else {}
        consented = any(each.kind == "unknown-loss" for each in made.consents)
        for name, part in made.workloads.items():
            old = before.workloads[name]
            if part.term != made.number:
                if part != old:
                    self._say(f"rule 5: assignment {made.number} changes {name}, and opens no term for it")
                continue
            sealed = {ref.repository: ref for ref in part.seals}
            for place in old.acknowledge:
                if place not in sealed and not consented:
                    self._say(f"rule 4: assignment {made.number} left {place} unsealed, which acknowledges {name}")
            for place, ref in sealed.items():
                log = self._repositories[place].log(name)
                entries = log.entries()
                entry = entries[ref.slot - 1] if ref.slot <= len(entries) else None
                if not isinstance(entry, Seal) or entry.term < old.term or log.slot(ref.slot).digest != ref.digest:
                    self._say(f"rule 4: assignment {made.number} names slot {ref.slot} of {name} in {place}: {entry}")
            if part.writer not in sealed:
                self._say(f"rule 4: assignment {made.number} did not seal {part.writer}, which goes on from it")
            if plan.get("kind") == "switchover":
                self._nothing_is_lost(made, name, old.writer, old.term)

    def _nothing_is_lost(self, made: Assignment, name: str, writer: str, term: int) -> None:
        """A planned move waits for the last checkpoint, with its receipts, at its target."""
        part = made.workloads[name]
        log = self._repositories[part.writer].log(name)
        head = part.head.key() if part.head is not None else None
        found = log.view().accepted.get(head) if head is not None else None
        last = self.ground.made.get((name, term), 0)
        if found is None or found.what.step < last:
            step = found.what.step if found is not None else None
            self._say(f"switchover: assignment {made.number} goes on with {name} from {step}; {writer} had made {last}")
            return
        levels = self._repositories[part.writer].receipts.levels(name, found.slot, ("stored", "decoded"))
        if not all(levels.values()):
            self._say(f"switchover: assignment {made.number} takes {name} at {found.what.step} without its receipts")

    def _given_back(self, writers: Mapping[str, str]) -> None:
        """Invariant of an abort: it leaves no workload that nobody may write."""
        current = self.ground.assigned()
        for name, site in writers.items():
            view = self._repositories[site].log(name).view()
            if current.writer(name) == site and not (view.writable and view.term == current.workloads[name].term):
                self._say(f"an abort gave back {name} to {site}, and it may not write there")

    def _journal_of(self, made: Assignment) -> Journal | None:
        return self._witness.journal(*parse(made.operation)) if made.operation is not None else None

    # Journals (rule 12)

    def _journal(self, key: str) -> None:
        operation = key.split("/")[2]
        base, k = (int(each) for each in operation.split("-"))
        journal = self._witness.journal(base, k)
        ended: Doc | None = None
        paused = False
        outcomes: set[str] = set()
        for record in journal.records():
            step = str(record.body.get("step", ""))
            match record.kind:
                case "end":
                    if ended is not None:
                        self._say(f"rule 12: operation {journal.identity} ended twice")
                    ended = dict(record.body)
                case "pause":
                    paused = True
                case "resume":
                    paused = False
                case "intent":
                    if ended is not None:
                        self._say(f"rule 12: {step} of {journal.identity} was begun after its end")
                    if paused:
                        self._say(f"rule 12: {step} of {journal.identity} was begun while it was paused")
                case "outcome":
                    if step in outcomes:
                        self._say(f"rule 12: {step} of {journal.identity} has two outcomes")
                    outcomes.add(step)
                    if "skipped" in record.body and step.split(maxsplit=1)[0] not in MAY_BE_LEFT_OUT:
                        self._say(f"{step} of {journal.identity} was left out, and what follows rests on it")
                case _:
                    pass
        begun = [each for each in self._witness.journals(base) if each.ended() is None]
        if len(begun) > 1:
            self._say(f"rule 12: {', '.join(each.identity for each in begun)} run at once")

    # Repositories (rules 3 and 14)

    def _repository(self, name: str) -> None:
        for workload in WORKLOADS:
            view = self._repositories[name].log(workload).view()
            if view.term < self._terms.get((name, workload), 0):
                self._say(
                    f"rule 3: {workload} in {name} went back from term {self._terms[name, workload]} to {view.term}"
                )
            self._terms[name, workload] = view.term
            every = self._witness.assignments()
            known = {part.term: part for each in every if (part := each.workloads.get(workload)) is not None}
            if view.term not in known:
                self._say(f"rule 4: {workload} in {name} opened term {view.term}, which was never assigned")
            for key, accepted in view.accepted.items():
                part = known.get(key.term)
                attempt = accepted.what.attempt.split("-")[0]
                if part is not None and part.writer != attempt:
                    self._say(f"rule 3: {name} accepts {key} of {attempt}; {part.writer} was to write {workload}")

    def _started(self, start: Any) -> None:
        if start.writer != start.site:
            return  # judged at the end: whoever was too late takes it back (`astray`)
        for place in sorted(set(start.elsewhere) & self._stopped_by(start)):
            self._say(
                f"rule 7: {start.by} started {start.workload} at {start.site}; it was proven to be stopped at {place}"
            )
        head = self.ground.assigned().workloads[start.workload].head
        folder = self.ground.folder / "sites" / start.site / start.workload
        if start.resumed is None or head is None or not folder.is_dir():
            return
        content = folder / f"step-{start.resumed:08d}" / "weights"
        if not start.token.endswith(tuple(f"abort-{n}" for n in range(9))) and content.exists():
            kept = [body for (name, _, _), body in self.ground.contents.items() if name == start.workload]
            if content.read_bytes() not in kept:
                self._say(f"rule 1: {start.workload} at {start.site} resumed from what nobody had saved")

    def _stopped_by(self, start: Any) -> set[str]:
        """Places at which the operation that starts it had proof that it runs no more."""
        if "/" in start.token:
            return set()
        outcomes = self._witness.journal(*parse(start.token)).outcomes()
        fences = [each["result"]["fence"] for each in outcomes.values() if "fence" in each.get("result", {})]
        plan = self._witness.journal(*parse(start.token)).plan() or {}
        writers = {each["name"]: each["writer"] for each in plan["workloads"]}
        quiet = {writers[start.workload]} if f"quiesce {start.workload}" in outcomes else set[str]()
        return quiet | {str(each["site"]) for each in fences if each["grade"] == "proven"}

    # When all is over

    def at_the_end(self) -> None:
        ground, current = self.ground, self.ground.assigned()
        running = unfinished(self._witness)
        if running is not None:
            self._say(f"operation {running.identity} does not end")
        for name in WORKLOADS:
            part = current.workloads[name]
            places = [each.name for each in ground.places.values() if (r := each.runs.get(name)) and r.running]
            if places != [part.writer]:
                self._say(f"{name} runs at {places}; {part.writer} writes it")
            views = {site: self._repositories[site].log(name).view() for site in ground.sites}
            view = views[part.writer]
            if view.term != part.term or not view.writable:
                self._say(f"{name} cannot be written at {part.writer}: term {view.term}, {part.term} is assigned")
            self._ended_terms(name, views)
        self._acknowledged()

    def _ended_terms(self, name: str, views: Mapping[str, LogView]) -> None:
        """Rule 3: of a term that was ended, nothing counts above the head that it was ended with; one name, one content."""
        every = self._witness.assignments()
        parts = [each.workloads[name] for each in every if each.workloads[name].term == each.number]
        newest, stood = parts[-1], self._stood(name, parts)
        roots: dict[Any, set[str]] = {}
        for site, view in views.items():
            if view.term != newest.term:
                continue  # it was away, and is brought up before anything starts there
            for key, accepted in view.accepted.items():
                if key.term < newest.term and key not in stood:
                    self._say(f"rule 3: {site} accepts {name} {key}, which stood below no seal when its term was ended")
                if key.term < newest.term:
                    roots.setdefault(key, set()).add(accepted.what.root)
        for key, found in roots.items():
            if len(found) > 1:
                self._say(f"rule 14: {name} {key} names {len(found)} checkpoints")

    def _stood(self, name: str, parts: Sequence[WorkloadAssignment]) -> set[CommitId]:
        """What the logs that were sealed when a term ended held of it below their seals, for every term that was ended."""
        found: set[CommitId] = set()
        for ended, part in pairwise(parts):
            for ref in part.seals:
                entries = self._repositories[ref.repository].log(name).entries()[: ref.slot]
                commits = [each.what for each in entries if isinstance(each, Commit)]
                found |= {what.id() for what in commits if what.term == ended.term}
        return found

    def _acknowledged(self) -> None:
        """Rules 4 and 5: what was acknowledged is kept, unless its loss was consented to when its term ended."""
        every = self._witness.assignments()
        for name, term, height, content in self.ground.acked:
            ending = next((e for e in every if e.number > term and e.workloads[name].term == e.number), None)
            if ending is None or any(each.kind == "unknown-loss" for each in ending.consents):
                continue
            if height > ending.workloads[name].heads.get(str(term), 0):
                self._say(
                    f"rule 4: {name} {term}.{height} was acknowledged ({content!r}), and assignment {ending.number} drops it"
                )

    def reached(self, scheduler: Scheduler) -> Iterator[str]:
        """What happened, so that a test can say that its runs were worth making."""
        every = self._witness.assignments()
        journals = [each for n in range(1, len(every) + 1) for each in self._witness.journals(n)]
        kinds = {str((each.plan() or {}).get("kind", "promote")) for each in journals}
        results = {str((each.ended() or {}).get("result")) for each in journals}
        records = {record.kind for each in journals for record in each.records()}
        told = {
            "three terms": len(every) > 2,
            "somebody died": any(outcome == "stop" for _, _, outcome in scheduler.trace),
            "an answer was lost": any(outcome == "lost" for _, _, outcome in scheduler.trace),
            "two operations were begun on one assignment": any(
                len(self._witness.journals(n)) > 1 for n in range(1, len(every) + 1)
            ),
            "a step failed": "failure" in records,
            "paused": "pause" in records,
            "lifted": "lift" in records,
            "started again": "started again" in records,
            "bought": bool(self.ground.bought),
            "acknowledged": bool(self.ground.acked),
            "a checkpoint was void": any(
                self._repositories[site].log(name).view().void for site in self.ground.sites for name in WORKLOADS
            ),
            "too late": any(each.writer != each.site for each in self.ground.starts),
        }
        yield from (what for what, happened in told.items() if happened)
        yield from (f"kind {kind}" for kind in kinds)
        yield from (f"result {result}" for result in results)
