"""Rules on workloads: each can run at two sites, has what its class needs, and shares no folder."""

from __future__ import annotations

from itertools import combinations
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from drstack.spec.jobs import LocalJob, ServeJob, runs_on, slots_taken
from drstack.spec.rules.finding import Finding, Rule, named
from drstack.spec.sites import LocalSite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft
    from drstack.spec.workloads import Workload


def class_needs(draft: Draft) -> Iterator[Finding]:
    for name, workload in _sound(draft):
        if workload.job is None and workload.class_ in {"training", "inference"}:
            yield Finding(
                ("workloads", name),
                "no job",
                f"a job, as its class is {workload.class_}",
                f"add job: {{{'serve' if workload.class_ == 'inference' else 'train'}: MODULE}}",
            )
        if workload.checkpoints is None and workload.class_ == "training":
            yield Finding(
                ("workloads", name),
                "no checkpoints",
                "checkpoints, as its class is training",
                f"add checkpoints: {{path: checkpoints/{name}, every: 45m}}",
            )


def serves_a_model(draft: Draft) -> Iterator[Finding]:
    declared = draft.workloads or {}
    models = {
        name for name, workload in declared.items() if workload is None or workload.class_ in {"training", "weights"}
    }
    for name, workload in _sound(draft):
        if workload.serves is None:
            continue
        path = ("workloads", name, "serves")
        if workload.class_ != "inference":
            yield Finding(path, repr(workload.serves), "serves only at class inference", "remove serves")
        elif workload.serves not in models or workload.serves == name:
            choice = sorted(models - {name})
            expected = named(choice) if choice else "a workload of class training or weights"
            yield Finding(
                path, repr(workload.serves), expected, f"write serves: {choice[0]}" if choice else "remove serves"
            )


def a_local_server_has_its_model(draft: Draft) -> Iterator[Finding]:
    """A replica loads what a repository holds: it needs a workload of class inference, and the checkpoints of another."""
    declared = draft.workloads or {}
    for name, workload in _sound(draft):
        if not isinstance(workload.job, ServeJob):
            continue
        path = ("workloads", name)
        if workload.class_ != "inference":
            yield Finding(
                (*path, "job"), "serve", f"train or command, at class {workload.class_}", "write class: inference"
            )
            continue
        model = declared.get(workload.serves or "")
        if workload.serves is None:
            yield Finding(path, "no serves", "the workload whose checkpoints it serves", "add serves: WORKLOAD")
        elif model is not None and model.checkpoints is None:
            yield Finding(
                (*path, "serves"), repr(workload.serves), "a workload with checkpoints",
                f"add checkpoints to {workload.serves}",
            )  # fmt: skip


def runs_at_two_sites(draft: Draft) -> Iterator[Finding]:
    sites = draft.sites or {}
    if len(sites) < 2:  # noqa: PLR2004
        return
    for name, workload in _sound(draft):
        if workload.job is None:
            continue
        platforms = runs_on(workload.job)
        able = [site for site, declared in sites.items() if declared is None or declared.platform in platforms]
        if len(able) < 2 or (draft.primary in sites and draft.primary not in able):  # noqa: PLR2004
            yield Finding(
                ("workloads", name, "job"),
                f"a job that {', '.join(able) or 'no site'} can run",
                f"a job that {draft.primary} and another site can run",
                f"it runs on {' and '.join(platforms)}: change the job or the sites",
            )


def ranks_fit(draft: Draft) -> Iterator[Finding]:
    jobs = {name: taken for name, work in _sound(draft) if work.job and (taken := slots_taken(work.job)) is not None}
    for site, declared in (draft.sites or {}).items():
        if not isinstance(declared, LocalSite):
            continue
        wide = {name: ranks for name, ranks in jobs.items() if ranks > declared.slots}
        for name, ranks in wide.items():
            job = (draft.workloads or {})[name]
            field = "replicas" if job and isinstance(job.job, ServeJob) else "ranks"
            yield Finding(
                ("workloads", name, "job", field),
                str(ranks),
                f"at most {declared.slots}, the slots of {site}",
                f"write {field}: {declared.slots}, or slots: {ranks} at {site}",
            )
        total = sum(jobs.values())
        if not wide and total > declared.slots:
            yield Finding(
                ("sites", site, "slots"),
                str(declared.slots),
                f"at least {total}, the ranks and replicas of all workloads",
                f"write slots: {total}",
            )


def own_checkpoints(draft: Draft) -> Iterator[Finding]:
    paths = {name: PurePosixPath(work.checkpoints.path) for name, work in _sound(draft) if work.checkpoints}
    for one, other in combinations(paths, 2):
        if paths[one].is_relative_to(paths[other]) or paths[other].is_relative_to(paths[one]):
            yield Finding(
                ("workloads", other, "checkpoints", "path"),
                repr(str(paths[other])),
                f"a folder apart from that of {one}",
                f"write path: checkpoints/{other}",
            )


def relative_at_local_sites(draft: Draft) -> Iterator[Finding]:
    for name, workload in _sound(draft):
        path = workload.checkpoints.path if workload.checkpoints else ""
        if path.startswith("/") and isinstance(workload.job, LocalJob):
            yield Finding(
                ("workloads", name, "checkpoints", "path"),
                repr(path),
                "a folder relative to the site's folder",
                f"write path: checkpoints/{name}",
            )


def waits_for_what_is_there(draft: Draft) -> Iterator[Finding]:
    """A workload waits for others that a recovery starts, and never for itself, on whatever way."""
    startable = {name for name, work in (draft.workloads or {}).items() if work is None or not _serves(work)}
    waits: dict[str, list[str]] = {}
    for name, work in _sound(draft):
        for index, other in enumerate(work.after):
            path = ("workloads", name, "after", index)
            choice = sorted(startable - {name})
            if other not in startable:
                yield Finding(path, repr(other), named(choice) if choice else "a workload that writes", "take it out")
            elif _reaches(waits, other, name):
                yield Finding(path, repr(other), f"a workload that does not wait for {name}", f"take {other} out")
            else:
                waits.setdefault(name, []).append(other)


def _serves(work: Workload) -> bool:
    return isinstance(work.job, ServeJob)


def _reaches(waits: dict[str, list[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            pending += waits.get(name, [])
    return False


def _sound(draft: Draft) -> Iterator[tuple[str, Workload]]:
    return ((name, work) for name, work in (draft.workloads or {}).items() if work is not None)


WORKLOADS: tuple[Rule, ...] = (
    class_needs,
    serves_a_model,
    a_local_server_has_its_model,
    runs_at_two_sites,
    ranks_fit,
    own_checkpoints,
    relative_at_local_sites,
    waits_for_what_is_there,
)
