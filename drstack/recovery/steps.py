"""Steps of an operation: what each does, after which others, how long it may take, and how it is undone. Pure.

Steps form a graph: those that wait for nothing any more run side by side. Invariant: the order of rule 4 (fence, seal,
assign, pin, restore, start) holds on every path (DESIGN, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

Doc = dict[str, Any]
FENCE_S = 5.0
SEAL_S = 60.0
LEASE_S = 3600.0
RESTORE_S = 3600.0
SHIP_S = 3600.0
START_S = 120.0
PROVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan. `timeout_s`: how long it may wait for others; seconds."""

    id: str
    """The act, and what it is about: `restore gpt`."""
    act: str
    subject: str = ""
    """A workload or a site; empty where it is about the whole operation."""
    at: str = ""
    """The site that it needs."""
    after: tuple[str, ...] = ()
    does: str = ""
    requires: str = ""
    effect: str = ""
    undone: str = ""
    timeout_s: float = SEAL_S
    skippable: bool = False
    """Whether an operator may leave it out: what comes after it can do without its outcome."""
    own: Doc | None = None
    """Of a step that the environment file declares: its definition, without secrets, and how it may be tried."""


def read_step(document: Mapping[str, Any]) -> Step:
    fields: Doc = {**document, "after": tuple(document["after"])}
    return Step(**fields)


def steps_of(plan: Mapping[str, Any]) -> list[Step] | None:
    """The steps of a plan that a journal holds; None where a version that had none made it."""
    told: list[Any] = list(plan.get("steps", ()))
    return [read_step(each) for each in told] if all(isinstance(each, dict) for each in told) else None


def promotion_steps(
    target: str,
    workloads: Sequence[Doc],
    fence: Sequence[str],
    after: Mapping[str, Sequence[str]],
    *,
    alone: bool,
    leased: Sequence[str] = (),
    unfenced: Collection[str] = (),
    proven: bool = False,
) -> tuple[Step, ...]:
    """Of a promotion to `target`. `workloads`: the plan's, as documents; `after`: the dependency map.

    `leased`: fenced sites that hold leases; nothing is started before these have ended.

    `alone`: only these workloads move, so that only their own processes are stopped where they ran, and no requests
    move. `unfenced`: sites that an operator leaves alone; `proven`: every fence has to be.
    EnvironmentUnknown where the dependency map has a cycle.
    """
    require_acyclic(after)
    names = [each["name"] for each in workloads]
    starting = [each for each in workloads if not each["reopen"]]
    fences = [_left_alone(site) if site in unfenced else fence_step(site, alone=alone, proven=proven) for site in fence]
    seals = [_seal(each, [step.id for step in fences]) for each in workloads]
    leases = [_lease(site) for site in leased]
    steps = [*fences, *leases, *seals, _assign(target, names, [step.id for step in seals])]
    if not alone:
        steps.append(_requests(target))
    steps.append(_capacity(target, ("assign",)))
    for each in starting:
        waits = [*_waits(each["name"], after, starting), *(step.id for step in leases)]
        steps += _bring_up(each["name"], target, waits)
    if not alone:
        steps.append(_answers(target))
    return (*steps, _reconcile(target, [step.id for step in steps]))


def switchover_steps(
    target: str, workloads: Sequence[Doc], after: Mapping[str, Sequence[str]], *, alone: bool
) -> tuple[Step, ...]:
    """Of a switchover to `target`: capacity first, then quiet, then the move, so that the work stands still shortly.

    Capacity may come before the assignment: it holds slots that run nothing until a `start`, which rule 4 puts last.
    Whatever waits for a workload is stopped before it. EnvironmentUnknown where the dependency map has a cycle.
    """
    require_acyclic(after)
    names = [each["name"] for each in workloads]
    capacity = _capacity(target, ())
    steps = [_rejoin(target, names), capacity]
    for each in workloads:
        users = [f"quiesce {name}" for name in names if each["name"] in after.get(name, ())]
        steps += _quiet(each, target, [capacity.id, "rejoin", *users])
    seals = [_seal(each, [f"ship {each['name']}"]) for each in workloads]
    steps += [*seals, _assign(target, names, [step.id for step in seals])]
    if not alone:
        steps.append(_requests(target))
    for name in names:
        steps += _bring_up(name, target, _waits(name, after, workloads))
    if not alone:
        steps.append(_answers(target))
        proved = [*(f"prove {name}" for name in names), "answers"]
        steps += [_release(site, proved) for site in sorted({each["writer"] for each in workloads})]
    return (*steps, _reconcile(target, [step.id for step in steps]))


def _waits(name: str, after: Mapping[str, Sequence[str]], starting: Sequence[Doc]) -> list[str]:
    started = {each["name"] for each in starting}
    return [f"prove {other}" for other in after.get(name, ()) if other in started]


def _rejoin(target: str, names: Iterable[str]) -> Step:
    return Step(
        "rejoin", "rejoin", target, target,
        does=f"have {target}'s repository in the current term of {', '.join(names)}; what it alone had written is void",
        effect=f"the writer's checkpoints arrive at {target} again", undone="nothing to undo",
    )  # fmt: skip


def _quiet(workload: Doc, target: str, after: list[str]) -> tuple[Step, ...]:
    name, writer = workload["name"], workload["writer"]
    return (
        Step(
            f"quiesce {name}", "quiesce", name, writer, tuple(after), does=f"stop {name} at {writer}, which saves as it stops",
            requires=f"{writer} is within reach", effect="it makes no step any more",
            undone=f"an abort starts it at {writer} again, from its last checkpoint", timeout_s=START_S,
        ),
        Step(
            f"ship {name}", "ship", name, target, (f"quiesce {name}",),
            does=f"wait until {target} holds that checkpoint with its receipts", requires="it saved its last step",
            effect="nothing is lost", undone="nothing to undo", timeout_s=SHIP_S,
        ),
    )  # fmt: skip


def _release(site: str, after: list[str]) -> Step:
    return Step(
        f"release {site}", "release", site, site, tuple(after), does=f"bring {site} to the capacity of a standby",
        effect=f"{site} stands by", undone=f"drstack promote ENV --to {site}", timeout_s=START_S, skippable=True,
    )  # fmt: skip


def _left_alone(site: str) -> Step:
    return Step(
        f"fence {site}", "fence", site, does=f"nothing: an operator leaves {site} alone, by consent",
        effect="graded assumed", undone="nothing to undo", timeout_s=FENCE_S,
    )  # fmt: skip


def fence_step(site: str, *, alone: bool, proven: bool = False) -> Step:
    """Stop what writes at a site. `proven`: nothing goes on before that is confirmed."""
    does = f"stop the moved workloads at {site}" if alone else f"stop everything that writes at {site}"
    return Step(
        f"fence {site}", "fence", site,
        does=f"{does}, and have that proven" if proven else does,
        requires=f"{site} or its platform can confirm that nothing runs there" if proven else "",
        effect="graded proven: by any other grade the promotion ends here, before anything is sealed (exit code 88)"
        if proven else "graded proven, lease-expired or assumed",
        undone=f"drstack up ENV --site {site} --refresh has it stand by again", timeout_s=FENCE_S,
    )  # fmt: skip


def _lease(site: str) -> Step:
    return Step(
        f"lease {site}", "lease", site, after=(f"fence {site}",),
        does=f"take the leases of what {site} writes and, unless its fence is proven, wait for their end",
        effect="what ran under them has stopped: the fence is graded lease-expired instead of assumed",
        undone="once the operation has ended, its writer may hold again", timeout_s=LEASE_S,
    )  # fmt: skip


def _seal(workload: Doc, after: list[str]) -> Step:
    name = workload["name"]
    return Step(
        f"seal {name}", "seal", name, after=tuple(after),
        does=f"seal term {workload['term']} of {name} in {', '.join(workload['seal'])}, then choose what to recover",
        requires="every repository that may have acknowledged is within reach, or its loss is consented to",
        effect=f"nobody commits in term {workload['term']} any more",
        undone="an abort opens a new term for the writer that was",
    )  # fmt: skip


def _assign(target: str, names: Iterable[str], after: list[str]) -> Step:
    return Step(
        "assign", "assign", after=tuple(after), does=f"make {target} the writer of {', '.join(names)}, and open the new term",
        requires="the assignment that was planned on is still the newest",
        effect=f"{target} alone may commit", undone="drstack promote ENV --to the other site",
    )  # fmt: skip


def _requests(target: str) -> Step:
    return Step(
        "requests", "requests", after=("assign",), does=f"move requests to where replicas are ready, {target} first",
        effect="what cannot be moved yet is moved by `answers`", undone="drstack traffic ENV --to SITE=100",
        timeout_s=START_S, skippable=True,
    )  # fmt: skip


def _capacity(target: str, after: tuple[str, ...]) -> Step:
    return Step(
        f"capacity {target}", "capacity", target, target, after,
        does=f"bring {target} to full capacity, with its replicator", requires=f"{target}'s bounds allow it",
        effect="capacity that was won is kept, whatever fails later",
        undone=f"drstack up ENV --site {target} once it stands by again", timeout_s=START_S,
    )  # fmt: skip


def _bring_up(name: str, target: str, waits: list[str]) -> tuple[Step, ...]:
    pin, restore = f"pin {name}", f"restore {name}"
    return (
        Step(
            pin, "pin", name, after=("assign",), does=f"pin what {name} is restored from, in its repository",
            effect="no keeper drops it meanwhile", undone="unpinned when the operation ends",
        ),
        Step(
            restore, "restore", name, target, (pin,), does=f"restore {name} to where its trainer looks, every digest checked",
            requires="room on its disk", effect="what lay in the way is in a quarantine folder",
            undone="the quarantine folder holds what was there", timeout_s=RESTORE_S,
        ),
        Step(
            f"start {name}", "start", name, target, (restore, f"capacity {target}", *waits),
            does=f"start {name} from that step", effect="it makes its first step", undone=f"stops with a fence of {target}",
            timeout_s=START_S,
        ),
        Step(
            f"prove {name}", "prove", name, target, (f"start {name}",), does=f"see {name} make steps past its recovery point",
            timeout_s=PROVE_S, skippable=True,
        ),
    )  # fmt: skip


def _answers(target: str) -> Step:
    return Step(
        "answers", "answers", "", target, ("requests", f"capacity {target}"),
        does="have every share of requests where it is assigned, and answered", undone="drstack traffic ENV --to SITE=100",
        timeout_s=START_S, skippable=True,
    )  # fmt: skip


def _reconcile(target: str, after: list[str]) -> Step:
    return Step(
        "reconcile", "reconcile", "", target, tuple(after),
        does="let go of pins, and bring Pulumi's description up to what was done",
        undone="nothing to undo", timeout_s=RESTORE_S, skippable=True,
    )  # fmt: skip


def require_acyclic(after: Mapping[str, Sequence[str]]) -> None:
    """EnvironmentUnknown, naming the circle, where workloads wait for one another."""
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        raise EnvironmentUnknown(
            f"workloads wait for one another: {' → '.join(reversed(error.args[1]))}",
            hint="Take one of them out of `after:` in the environment file.",
        ) from error


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Steps in an order in which they could be done one after another, the plan's own where there is a choice."""
    known = {step.id: step for step in steps}
    sorter = TopologicalSorter({step.id: [a for a in step.after if a in known] for step in known.values()})
    return [known[name] for name in sorter.static_order()]
