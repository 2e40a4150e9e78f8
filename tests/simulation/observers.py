"""Observers that really judge, on a simulated world and clock: sites that die, hang or flap, paths that are cut, leases.

Time passes in ticks of a second. The writer renews leases as drstack's holder does, an operation takes them and waits as
drstack's promotion does; memories, sights and the judgement are drstack's own. A run depends on its seed alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drstack.automatic import judge as judging
from drstack.automatic.judge import Running, Situation, View, judge
from drstack.automatic.policy import Policy
from drstack.automatic.sight import Glance, Held, Job, Memory, Place, Sight

if TYPE_CHECKING:
    from drstack.automatic.judge import Verdict

OBSERVERS = ("a", "b", "c")
POLICY = Policy(
    to="west", observers=OBSERVERS, after_s=20.0, looks=3, period_s=600.0, repair=("restart",), attempts=2,
    lease_margin_s=4.0,
)  # fmt: skip
TTL, RENEW, PAUSE = 12.0, 4, 3.0
LENGTH = 300
EVERY = 3
HOME, AGAIN = 100, 150
AUTOMATIC_BUGS = (
    "one observer is enough",
    "no damping",
    "wall-clock lease",
    "who does not see it outvotes who does",
    "a budget for each observer",
    "the operation's slot is not taken",
)


KINDS = (
    "death", "death", "twice", "hang", "cut all", "cut some", "stale", "islands", "flap", "trainer", "calm", "standby",
)  # fmt: skip


@dataclass
class Site:
    alive: bool = True
    training: bool = True
    paused_until: int = -1
    """Its processes stand still until then: nothing is renewed, nothing is trained."""


@dataclass
class Operation:
    by: str
    began: int
    to: str
    waits_until: float
    started: bool = False


@dataclass
class Automatic:
    """East writes in term 1. `until`: when its holder believes that its lease ends; `cut`: who cannot see whom."""

    seed: int
    bug: str = ""
    now: int = 0
    sites: dict[str, Site] = field(default_factory=lambda: {"east": Site(), "west": Site()})
    writer: str = "east"
    assignment: int = 1
    lease: Held = field(default_factory=lambda: Held(1, 1, TTL))
    lease_sent: int = 0
    until: float = TTL
    taken: bool = False
    head: int = 0
    cut: dict[tuple[str, str], int] = field(default_factory=dict)
    frozen: dict[str, tuple[int, Glance | None]] = field(default_factory=dict)
    """Who reads a witness that stands still until then, and what it read."""
    flapping: tuple[int, int] = (-1, -1)
    operations: list[Operation] = field(default_factory=list)
    memories: dict[str, Memory] = field(default_factory=dict)
    words: dict[str, tuple[int, Sight]] = field(default_factory=dict)
    restarts: int = 0
    story: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    lost_since: int | None = None
    death: int | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.memories = {name: Memory() for name in OBSERVERS}
        self.skew = self.random.choice([0, 5, 60]) if self.bug == "wall-clock lease" else 0
        kind = self.random.choice(KINDS)
        at = self.random.randrange(30, 80)
        self.plan = (kind, at, self.random.randrange(5, 120))
        self.story.append(f"seed {self.seed}: {kind} at {at} for {self.plan[2]}")

    def run(self) -> None:
        for self.now in range(LENGTH):
            self._weather()
            self._work()
            self._proceed()
            for name in OBSERVERS:
                if self.now % EVERY == 0 and not (self.words and self.random.random() < 0.05):
                    self._observe(name)
            self._check()

    def tell(self, what: str) -> None:
        self.story.append(f"{self.now:>4} {what}")

    def _weather(self) -> None:
        kind, at, length = self.plan
        east = self.sites["east"]
        if self.now == at:
            self.tell(f"{kind} begins")
            if kind in ("death", "twice"):
                east.alive, self.death = False, at
            elif kind == "hang":
                east.paused_until = at + length
            elif kind == "trainer":
                east.training = False
            elif kind == "standby":
                self.sites["west"].alive = False
                east.alive = False
            elif kind in ("cut all", "cut some"):
                who = OBSERVERS if kind == "cut all" else self.random.sample(OBSERVERS, self.random.randrange(1, 3))
                self.cut = {(name, "east"): at + length for name in who}
            elif kind == "stale":
                self.frozen = {name: (at + length, self._glance(name)) for name in self.random.sample(OBSERVERS, 2)}
                self.cut = {(name, "east"): at + length for name in self.frozen}
            elif kind == "islands":
                self.cut = {(name, "east"): at + length for name in self.random.sample(OBSERVERS, 2)}
                self.cut[("east", "witness")] = at + length
            elif kind == "flap":
                self.flapping = (at, at + 3 * length)
        if kind == "twice" and self.now == at + HOME:
            self._home()
        if kind == "twice" and self.now == at + AGAIN:
            self.tell("east dies again")
            east.alive = False
        if self.flapping[0] <= self.now < self.flapping[1]:
            on = (self.now // 7) % 2 == 0
            self.cut = {(name, "east"): self.now + 1 for name in OBSERVERS} if on else {}
            east.paused_until = self.now + 1 if on else -1

    def _home(self) -> None:
        """A person brings the work home."""
        self.tell("a person brings the work home")
        self.sites["east"].alive, self.writer, self.assignment, self.taken = True, "east", self.assignment + 1, False
        self.lease, self.lease_sent = Held(self.lease.n + 1, self.assignment, TTL), self.now
        self.until = self.now + TTL

    def acts(self, name: str) -> bool:
        """Whether work runs at a site: it lives, and holds a lease; a site that stands still does not notice its end."""
        site = self.sites[name]
        if not site.alive or not site.training or self.now < site.paused_until:
            return False
        return name == "west" or self.now < self.until - PAUSE

    def _work(self) -> None:
        east = self.sites["east"]
        up = east.alive and self.now >= east.paused_until and self.cut.get(("east", "witness"), -1) <= self.now
        if up and not self.taken and self.writer == "east" and self.now >= self.lease_sent + RENEW:
            self.lease = Held(self.lease.n + 1, self.assignment, TTL)
            self.lease_sent, self.until = self.now, self.now + TTL
        if self.writer == "east" and self.acts("east") and self.now % 40 == 0:
            self.head += 1

    def _glance(self, name: str) -> Glance:
        places = {}
        for site, state in self.sites.items():
            seen = state.alive and self.now >= state.paused_until and self.cut.get((name, site), -1) <= self.now
            failed = None if state.training else "was killed by signal 9"
            job = Job(running=seen and state.training, step=self.head, failure=failed)
            places[site] = Place(
                seen, "" if seen else "no answer", capacity=3, bound=3, repository=state.alive,
                jobs={"gpt": job} if seen and site == self.writer else {},
            )  # fmt: skip
        until, before = self.frozen.get(name, (-1, None))
        if before is not None and self.now < until:
            return replace(before, sites=places)
        return Glance(self.assignment, places, {"gpt": (1, self.head)}, {"gpt": self.lease})

    def _observe(self, name: str) -> None:
        self.words[name] = (self.now, self.memories[name].see(self._glance(name), self.now))
        hears = self.frozen.get(name, (-1, None))[0] <= self.now
        views = {
            each: View(each, sight, self.now - at, 3 * EVERY)
            for each, (at, sight) in self.words.items()
            if each == name or hears
        }
        running = next((each for each in self.operations if not each.started), None)
        ages = [float(self.now - each.began) for each in self.operations]
        if self.bug == "a budget for each observer":
            ages = [float(self.now - each.began) for each in self.operations if each.by == name]
        told = Situation(
            me=name, assignment=self.assignment, writes={"gpt": (self.writer, self.assignment)}, ranks={"gpt": 1},
            views=views, promoted_ages_s=tuple(ages), not_ready=None if self.sites["west"].alive else "west is away",
            running=None if running is None else Running("1-1", running.by),
        )  # fmt: skip
        self._do(name, self._judged(told))

    def _judged(self, told: Situation) -> Verdict:
        policy = POLICY
        if self.bug == "no damping":
            policy = replace(policy, after_s=0.0, looks=1, lease_margin_s=-TTL)
        if self.bug == "wall-clock lease":
            over = self.now + self.skew >= self.lease_sent + TTL
            policy = replace(policy, lease_margin_s=-TTL) if over else policy
        if self.bug == "one observer is enough":
            told = replace(told, views={told.me: told.views[told.me]})
            return _with_one(told, policy)
        if self.bug == "who does not see it outvotes who does":
            lost = {n: v for n, v in told.views.items() if not v.sight.sites[self.writer].reachable}
            told = replace(told, views={told.me: told.views[told.me], **lost})
        if self.bug == "the operation's slot is not taken":
            told = replace(told, running=None, promoted_ages_s=())
        return judge(told, policy)

    def _do(self, name: str, verdict: Verdict) -> None:
        if verdict.act == "repair":
            self.restarts += 1
            self.sites[verdict.site].training = True
            self.tell(f"{name} restarts: {verdict.reason}")
        if verdict.act != "promote":
            return
        self.tell(f"{name} promotes: {verdict.reason}")
        if any(not each.started for each in self.operations) and self.bug != "the operation's slot is not taken":
            return
        self._begun(name)
        waits = self.now if self.bug == "wall-clock lease" else self.now + TTL + POLICY.lease_margin_s
        self.taken = True
        self.operations.append(Operation(name, self.now, "west", waits))

    def _begun(self, name: str) -> None:
        """What has to be true of the world when a promotion is begun."""
        east = self.sites["east"]
        heard = {each for each, (at, _) in self.words.items() if self.now - at < POLICY.after_s}
        seen = {each for each in heard if self._glance(each).sites["east"].reachable}
        if seen and east.alive:
            self.found.append(f"{name} promotes at {self.now}, and {', '.join(sorted(seen))} can see east")
        if self.lost_since is None or self.now - self.lost_since < POLICY.after_s - 2:
            self.found.append(f"{name} promotes at {self.now}, and east was there at {self.lost_since} still")
        if [each for each in self.operations if self.now - each.began < POLICY.period_s]:
            self.found.append(f"{name} promotes at {self.now}, a second time in the period")

    def _proceed(self) -> None:
        for each in self.operations:
            if not each.started and self.now >= each.waits_until:
                each.started = True
                self.writer, self.assignment = each.to, self.assignment + 1
                self.lease = Held(self.lease.n + 2, self.assignment, TTL)

    def _check(self) -> None:
        east = self.sites["east"]
        here = east.alive and self.now >= east.paused_until and any(
            self.cut.get((name, "east"), -1) <= self.now and self.now - self.words.get(name, (self.now,))[0] < POLICY.after_s
            for name in OBSERVERS
        )  # fmt: skip
        self.lost_since = None if here else self.lost_since if self.lost_since is not None else self.now
        if self.writer == "west" and east.alive and self.now < self.until - PAUSE and self.now >= east.paused_until:
            self.found.append(f"at {self.now} both run: east until {self.until}")


def _with_one(told: Situation, policy: Policy) -> Verdict:
    before, judging.OBSERVERS = judging.OBSERVERS, 1
    try:
        return judge(told, policy)
    finally:
        judging.OBSERVERS = before


def run_automatic(seed: int, bug: str = "") -> Automatic:
    world = Automatic(seed, bug)
    world.run()
    return world
