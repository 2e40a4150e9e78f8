"""What one observer sees, and for how long it has been so by a clock of its own.

A glance is one look; a memory makes a sight of it, which says of each thing since when it is as it is. Only durations
leave an observer: no time of one machine is compared with another's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class JobSeen(_Seen):
    running: bool
    step: int | None = None
    failure: str | None = None
    still_for_s: float = 0.0
    """How long its step and its start have been the same."""
    down_for_s: float = 0.0
    """How long it has not run, by its platform's word, after a failure; 0 where it runs, or ended well."""


class SiteSeen(_Seen):
    """`for_s`, `looks`: for how long, and how many looks in a row, it has been within reach, or out of it."""

    reachable: bool
    why: str = ""
    for_s: float = 0.0
    looks: int = 1
    replicator: bool = True
    capacity: int = 0
    bound: int = 0
    health_for_s: float = 0.0
    """How long its replicator and its capacity have been as they are."""
    repository: bool = True
    """Whether its repository answers."""
    serves: bool = False
    """Whether the router finds anything of it that answers."""
    jobs: dict[str, JobSeen] = {}


class LeaseSeen(_Seen):
    """The last record of a workload's leases, and how long it has been the last."""

    n: int
    term: int
    for_s: float | None
    still_for_s: float = 0.0


class Sight(_Seen):
    assignment: int
    sites: dict[str, SiteSeen]
    heads_still_for_s: dict[str, float] = {}
    """Per workload, how long no repository has got a checkpoint of the term that stands."""
    leases: dict[str, LeaseSeen] = {}


@dataclass(frozen=True, slots=True)
class Job:
    running: bool
    step: int | None = None
    failure: str | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A site at one look."""

    reachable: bool
    why: str = ""
    replicator: bool = True
    capacity: int = 0
    bound: int = 0
    repository: bool = True
    serves: bool = False
    jobs: Mapping[str, Job] = field(default_factory=dict[str, Job])


@dataclass(frozen=True, slots=True)
class Held:
    """The last record of a workload's leases."""

    n: int
    term: int
    for_s: float | None


@dataclass(frozen=True, slots=True)
class Glance:
    """One look. `heads`: per workload the highest (term, height) that any repository shows; None: none answers."""

    assignment: int
    sites: Mapping[str, Place]
    heads: Mapping[str, tuple[int, int] | None] = field(default_factory=dict[str, "tuple[int, int] | None"])
    leases: Mapping[str, Held | None] = field(default_factory=dict[str, "Held | None"])


class Memory:
    """Of one observer. What it has not seen before has been so for no time at all."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, ...], tuple[object, float, int]] = {}

    def see(self, glance: Glance, now: float) -> Sight:
        """`now`: seconds of a clock that nobody sets."""
        sites: dict[str, SiteSeen] = {}
        for name, place in glance.sites.items():
            for_s, looks = self._still(("site", name), place.reachable, now)
            health_for_s, _ = self._still(("health", name), (place.replicator, place.capacity), now)
            jobs = {each: self._job(name, each, job, now) for each, job in place.jobs.items()}
            sites[name] = SiteSeen(
                reachable=place.reachable, why=place.why, for_s=for_s, looks=looks, replicator=place.replicator,
                capacity=place.capacity, bound=place.bound, health_for_s=health_for_s, repository=place.repository,
                serves=place.serves, jobs=jobs,
            )  # fmt: skip
        heads = {
            name: self._still(("head", name), head, now)[0] if head is not None else self._known(("head", name), now)
            for name, head in glance.heads.items()
        }
        leases = {
            name: LeaseSeen(
                n=held.n, term=held.term, for_s=held.for_s, still_for_s=self._still(("lease", name), held.n, now)[0]
            )
            for name, held in glance.leases.items()
            if held is not None
        }
        return Sight(assignment=glance.assignment, sites=sites, heads_still_for_s=heads, leases=leases)

    def _job(self, site: str, workload: str, job: Job, now: float) -> JobSeen:
        still_for_s, _ = self._still(("job", site, workload), (job.generation, job.step), now)
        down = not job.running and job.failure is not None
        down_for_s, _ = self._still(("down", site, workload), down, now)
        return JobSeen(
            running=job.running, step=job.step, failure=job.failure, still_for_s=still_for_s,
            down_for_s=down_for_s if down else 0.0,
        )  # fmt: skip

    def _still(self, key: tuple[str, ...], value: object, now: float) -> tuple[float, int]:
        """For how long, and how many looks in a row, this has had this value."""
        before, since, looks = self._since.get(key, (None, now, 0))
        if looks == 0 or before != value:
            since, looks = now, 0
        self._since[key] = (value, since, looks + 1)
        return now - since, looks + 1

    def _known(self, key: tuple[str, ...], now: float) -> float:
        """For how long it had its last value, where it cannot be seen now."""
        return now - self._since[key][1] if key in self._since else 0.0


def outline(sight: Sight) -> object:
    """What of a sight is worth a record at once: all but times, steps and counts."""
    return (
        sight.assignment,
        tuple(
            (name, seen.reachable, seen.replicator, seen.capacity, seen.repository, seen.serves,
             tuple((each, job.running, bool(job.failure)) for each, job in sorted(seen.jobs.items())))
            for name, seen in sorted(sight.sites.items())
        ),
    )  # fmt: skip
