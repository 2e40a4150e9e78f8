"""One observer at work: look, say what it sees, hear the others, judge, and do what was judged.

Invariant: it acts only on a judgement, looks once more right before it promotes, gives no consent, and stands back where
another has begun. A witness that is away, or anything else that goes wrong, is said and ends nothing.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drstack.automatic.judge import Situation, Tried, Verdict, View, judge
from drstack.automatic.looking import glance
from drstack.automatic.past import Past, signed
from drstack.automatic.records import Holds, Observations, Repairs, Word
from drstack.automatic.repairing import repair
from drstack.automatic.sight import Memory, Sight, outline
from drstack.errors import ConsentRequired, DrstackError, NotReady, PromotionRefused
from drstack.recovery.conduct import execution, look, promote
from drstack.recovery.operation import unfinished
from drstack.recovery.own_steps import with_own
from drstack.recovery.plan import Given, plan_promotion
from replicator.errors import KeyAbsent, ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from drstack.automatic.judge import Running
    from drstack.automatic.policy import Policy
    from drstack.automatic.records import Spoken
    from drstack.recovery.facts import Facts
    from drstack.recovery.world import World
    from drstack.witness.leases import LeaseLog

CALM = 12
"""While all is well an observer speaks at every so many looks; in trouble at every look, for a while."""
TROUBLE_LOOKS = 240
STOOD_STILL, GRACE_S = 3, 5.0
"""After a break of so many looks, and so many seconds more, it knows nothing of what was before."""
RELIEF = 6
"""Looks without a word after which somebody else takes an operation up."""
REFUSALS = (PromotionRefused, ConsentRequired, NotReady, KeyAbsent)
PERSONS = ("wait", "postgresql")
"""Steps of users' that a person confirms, or consents to where the fence is not proven."""
_NUMBER = re.compile(r"[0-9.]+")


@dataclass(slots=True)
class Heard:
    """What was last heard of an observer. `since`: when this was first seen here; None: before this one began to listen."""

    spoken: Spoken
    since: float | None
    skew_s: float = 0.0


@dataclass(slots=True)
class Observer:
    """`now`: seconds of a clock that nobody sets and that goes on while the machine sleeps.

    The world's clock gives unix seconds, for records.
    """

    name: str
    world: World
    policy: Policy
    every_s: float
    now: Callable[[], float]
    place: str = ""
    at: str | None = None
    say: Callable[[Verdict], None] = lambda _: None
    _memory: Memory = field(default_factory=Memory)
    _heard: dict[str, Heard | None] = field(default_factory=dict[str, "Heard | None"])
    _logs: dict[str, Observations] = field(default_factory=dict[str, Observations])
    _leases: dict[str, LeaseLog] = field(default_factory=dict[str, "LeaseLog"])
    _first_seen: dict[str, float] = field(default_factory=dict[str, float])
    """When each operation was first seen."""
    _tried: dict[str, int] = field(default_factory=dict[str, int])
    _past: Past = field(init=False)
    _told: tuple[object, float] = (None, 0.0)
    _last: Verdict = field(default_factory=lambda: Verdict("wait", "it has just begun"))
    _trouble: int = 0
    _ended: float | None = None
    """When its last turn did."""
    _seen_at: float = 0.0
    _sight: Sight = field(default_factory=lambda: Sight(assignment=0, sites={}))

    def __post_init__(self) -> None:
        self._past = Past(self.world.witness)

    def turn(self) -> Verdict:
        """One look, and what comes of it. Never raises for what is away, or failed."""
        if self._ended is not None and self.now() - self._ended > self.every_s * STOOD_STILL + GRACE_S:
            # It stood still: what was true meanwhile is not known.
            self._memory, self._heard, self._first_seen = Memory(), {}, {}
        try:
            verdict = self._turn()
        except (DrstackError, ReplicatorError) as error:
            verdict = Verdict("refuse" if isinstance(error, REFUSALS) else "wait", f"{type(error).__name__}: {error}")
        if _gist(verdict) != _gist(self._last):
            self.say(verdict)
        self._last, self._ended = verdict, self.now()
        return verdict

    @property
    def uneasy(self) -> bool:
        """Whether anything is out of sight, or was to be done."""
        return self._trouble > 0

    def renew(self, other: Observer) -> None:
        """Take over the world and the policy of an observer that was just put together; what was seen is kept."""
        self.world, self.policy = other.world, other.policy
        self._past = Past(self.world.witness)
        self._logs.clear()
        self._leases.clear()

    def _turn(self) -> Verdict:
        began = self.now()
        facts = look(self.world)
        for name in self.world.needs:
            self._leases.setdefault(name, self.world.witness.leases(name))
        sight = self._memory.see(glance(self.world, facts, self._leases), self.now())
        uneasy = _lost_any(sight) or self._last.act != "wait"
        self._trouble = min(self._trouble + 1, TROUBLE_LOOKS + 1) if uneasy else 0
        self._seen_at = self.now()
        took_s = self._seen_at - began
        self._speak(sight, took_s)
        self._sight = sight
        return self._do(judge(self._situation(facts, sight, took_s), self.policy))

    def _speak(self, sight: Sight, took_s: float) -> None:
        """Write what is seen where it changed, or as often as was promised."""
        now, seen = self.now(), (outline(sight), self._last.act)
        often = 0 < self._trouble <= TROUBLE_LOOKS
        due_s = self.every_s if often else self.every_s * CALM
        if self._told[0] == seen and now - self._told[1] < due_s - self.every_s / 2:
            return
        self._log(self.name).say(self._word(sight, due_s * (3 if often else 2) + took_s * 2))
        self._told = (seen, now)

    def _word(self, sight: Sight, promised_s: float, *, busy: bool = False) -> Word:
        return Word(
            observer=self.name, place=self.place, at=self.at, wall=self.world.clock(), promised_s=promised_s, sight=sight,
            busy=busy, act=self._last.act, reason=self._last.reason,
        )  # fmt: skip

    @contextmanager
    def _busy(self) -> Generator[None]:
        """While an operation is carried out, say so as often as in trouble: whoever is silent is relieved."""
        done, mine = threading.Event(), Observations(self.world.witness, self.name)

        def speak() -> None:
            while not done.is_set():
                with suppress(DrstackError):  # the next one may reach the witness; if none does, another takes over
                    mine.say(self._word(self._sight, self.every_s * RELIEF, busy=True))
                done.wait(self.every_s)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _log(self, observer: str) -> Observations:
        return self._logs.setdefault(observer, Observations(self.world.witness, observer))

    def _views(self, sight: Sight, took_s: float) -> dict[str, View]:
        """What is seen here, and what is heard: a word counts from when it came, and only if it came while this one listened."""
        age_s = self.now() - self._seen_at
        views = {self.name: View(self.name, sight, age_s, self.every_s * STOOD_STILL + GRACE_S, self.at)}
        for observer in set(self.policy.observers) - {self.name}:
            spoken, now = self._log(observer).last(), self.now()
            if spoken is None:
                self._heard.setdefault(observer, None)
                continue
            before = self._heard.get(observer)
            if observer not in self._heard:
                self._heard[observer] = Heard(spoken, None)
            elif before is None or before.spoken.n != spoken.n:
                self._heard[observer] = Heard(spoken, now, spoken.word.wall - self.world.clock())
            heard = self._heard[observer]
            if heard is None or heard.since is None:
                continue
            word = heard.spoken.word
            skew_s, age_s = heard.skew_s, now - heard.since
            views[observer] = View(observer, word.sight, age_s, word.promised_s + took_s, word.at, word.busy, skew_s)
        return views

    def _situation(self, facts: Facts, sight: Sight, took_s: float) -> Situation:
        world, held = self.world, Holds(self.world.witness).standing()
        writes = {name: (each.writer, each.term) for name, each in facts.workloads.items()}
        lost = {writer for writer, _ in writes.values() if not facts.sites[writer].reachable}
        return Situation(
            me=self.name, assignment=facts.assignment.number, writes=writes,
            ranks={name: need.ranks for name, need in world.needs.items()}, views=self._views(sight, took_s),
            running=self._running(took_s),
            held=None if held is None else f"{held['by']}: {held['reason']}",
            promoted_ages_s=self._past.ages_s(world.clock()) if lost else (),
            repairs=tuple(
                Tried(each.site, each.remedy, each.workload, world.clock() - each.at, each.result)
                for site in sorted({writer for writer, _ in writes.values()} - lost)
                for each in Repairs(world.witness, site).every()
            ),
            not_ready=self._not_ready(facts, sight, lost) if lost else None,
        )  # fmt: skip

    def _running(self, took_s: float) -> Running | None:
        """The operation under way; silent once its observer has said nothing new for longer than it promised."""
        running, now = self._past.running(self._tried), self.now()
        if running is None or running.by is None:
            return running
        heard = self._heard.get(running.by)
        since = self._first_seen.setdefault(running.identity, now)
        promised_s = self.every_s * RELIEF
        if heard is not None and heard.since is not None:
            since, promised_s = max(since, heard.since), max(promised_s, heard.spoken.word.promised_s)
        return replace(running, silent=now - since > promised_s + took_s)

    def _given(self, facts: Facts, site: str, lost_for_s: float, reason: str) -> Given:
        """No consent of any kind. Only what the lost site writes is moved."""
        mine = tuple(sorted(name for name, each in facts.workloads.items() if each.writer == site))
        others = [n for n, each in facts.workloads.items() if each.writer not in (site, self.policy.to)]
        failed_at = self.world.clock() - lost_for_s
        return Given(by=signed(self.name), reason=reason, failed_at=failed_at, only=mine if others else ())

    def _not_ready(self, facts: Facts, sight: Sight, lost: set[str]) -> str | None:
        if "promote" in self.world.quorums:
            return "a promotion takes approvals here, which people give"
        for site in sorted(lost - {self.policy.to}):
            given = self._given(facts, site, sight.sites[site].for_s, "")
            try:
                plan = plan_promotion(self.world.environment, facts, self.policy.to, self.world.needs, given)
                steps = with_own(plan, self.world.own, given).steps
            except DrstackError as error:
                return str(error)
            persons = [step.id for step in steps if step.act in PERSONS]
            if persons:
                return f"{', '.join(persons)} may need a person's word on the way"
        return None

    def _do(self, verdict: Verdict) -> Verdict:
        if verdict.act == "repair":
            repairs = Repairs(self.world.witness, verdict.site)
            how = repair(self.world, verdict, repairs, by=signed(self.name), known=len(repairs.every()))
            return Verdict(
                verdict.act, f"{verdict.reason}: {verdict.remedy} {how or 'is begun by another'}", verdict.site
            )
        if verdict.act == "promote":
            return self._promote(verdict)
        if verdict.act == "resume":
            return self._resume(verdict)
        return verdict

    def _promote(self, verdict: Verdict) -> Verdict:
        self.say(verdict)
        facts = look(self.world)
        if facts.sites[verdict.site].reachable:
            return Verdict("wait", f"{verdict.site} came back into sight just now", verdict.site)
        given = self._given(facts, verdict.site, verdict.lost_for_s, verdict.reason)
        with self._busy():
            end = promote(self.world, self.policy.to, given, joins=False)
        return Verdict("promote", f"{verdict.reason}: {end['result']} (assignment {end.get('number')})", verdict.site)

    def _resume(self, verdict: Verdict) -> Verdict:
        journal = unfinished(self.world.witness)
        if journal is None:
            return Verdict("wait", "the operation has ended meanwhile")
        self._tried[journal.identity] = self._tried.get(journal.identity, 0) + 1
        self.say(verdict)
        with self._busy():
            end = execution(self.world, journal).finish()
        return Verdict("resume", f"{verdict.reason}: {end['result']} (assignment {end.get('number')})")


def _lost_any(sight: Sight) -> bool:
    return any(not seen.reachable for seen in sight.sites.values())


def _gist(verdict: Verdict) -> tuple[str, str]:
    """What is worth saying again: seconds that pass are not."""
    return verdict.act, _NUMBER.sub("", verdict.reason)
