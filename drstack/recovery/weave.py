"""Puts users' own steps into the graph of an operation, or says why one cannot stand where it was put. Pure.

Invariant: an own step comes before every seal or after the assignment, on every path. Between the two nobody may write,
and nothing may take longer there than it must (DESIGN, rule 4).
"""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from drstack.errors import StepMisplaced
from drstack.recovery.steps import Step, promotion_steps, switchover_steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from drstack.recovery.acting import OwnStep

Doc = dict[str, Any]
WINNERS = ("postgresql",)
"""Kinds that nobody may begin who has not won the assignment."""


def name_of(own: OwnStep) -> str:
    return f"step {own.name}"


def part_of(own: Sequence[OwnStep], occasion: str, target: str, moving: Collection[str]) -> list[OwnStep]:
    """Those that an operation of this kind to this target does, hooks included."""
    return [
        each
        for each in own
        if occasion in each.on
        and (not each.to or target in each.to)
        and (not each.workloads or set(each.workloads) & set(moving))
    ]


def weave(
    steps: Sequence[Step], own: Sequence[OwnStep], occasion: str, target: str, moving: Collection[str]
) -> tuple[Step, ...]:
    """The graph with the own steps in it. `occasion`: promote, switchover, workload, keys or abort. StepMisplaced."""
    taken = {each.name: each for each in part_of(own, occasion, target, moving) if not each.when}
    if not taken:
        return tuple(steps)
    anchors = _Anchors(steps, own, taken)
    graph = {step.id: set(step.after) for step in steps}
    for each in taken.values():
        graph.setdefault(name_of(each), set()).update(anchors.of(each, "after"))
        for waiting in anchors.of(each, "before"):
            graph.setdefault(waiting, set()).add(name_of(each))
    _require_acyclic(graph, taken)
    seals = [step.id for step in steps if step.act == "seal"]
    deciding = _ancestors(graph, "assign")
    early = [each for each in taken.values() if name_of(each) in deciding]
    for each in early:
        _require_before_seals(each, graph, seals)
        for seal in seals:
            graph[seal].add(name_of(each))
    for each in taken.values():
        if each not in early:
            graph[name_of(each)].add("assign")
    woven = [replace(step, after=_kept(step.after, graph[step.id])) for step in steps]
    return (*woven, *(_step(each, target, tuple(sorted(graph[name_of(each)]))) for each in taken.values()))


def _kept(before: tuple[str, ...], now: set[str]) -> tuple[str, ...]:
    return (*before, *sorted(now - set(before)))


class _Anchors:
    """What `after` and `before` mean in one plan."""

    def __init__(self, steps: Sequence[Step], own: Sequence[OwnStep], taken: Mapping[str, OwnStep]) -> None:
        self._ids = {step.id for step in steps}
        self._acts: dict[str, set[str]] = {}
        for step in steps:
            self._acts.setdefault(step.act, set()).add(step.id)
        self._own = {each.name: each for each in own}
        self._taken = taken

    def of(self, own: OwnStep, side: str, *, behind: frozenset[str] = frozenset()) -> set[str]:
        """An own step that this operation leaves out is stood for by what it would have waited for, or kept waiting."""
        found: set[str] = set()
        for anchor in own.after if side == "after" else own.before:
            if anchor in self._taken:
                found.add(name_of(self._taken[anchor]))
            elif anchor in self._own and anchor not in behind:
                found |= self.of(self._own[anchor], side, behind=behind | {anchor})
            elif anchor in self._ids:
                found.add(anchor)
            else:
                found |= self._acts.get(anchor, set())
        return found - {name_of(own)}


def _require_acyclic(graph: Mapping[str, Collection[str]], taken: Mapping[str, OwnStep]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = list(reversed(error.args[1]))
        name = next((each for each in taken if f"step {each}" in circle), next(iter(taken)))
        raise StepMisplaced(
            name, got=f"a circle: {' → '.join(circle)}", expected="steps that do not wait for one another",
            remedy="take one of its anchors out",
        ) from error  # fmt: skip


def _require_before_seals(own: OwnStep, graph: Mapping[str, Collection[str]], seals: Sequence[str]) -> None:
    if own.kind in WINNERS:
        raise StepMisplaced(
            own.name, got="a place before the assignment", expected=f"{own.kind} after it: until then another may win",
            remedy="write after: assign",
        )  # fmt: skip
    if sealed := sorted(_ancestors(graph, name_of(own)) & set(seals)):
        raise StepMisplaced(
            own.name, got=f"a place between {sealed[0]} and assign, where nobody may write the work",
            expected="a place before every seal, or after assign",
            remedy="write before: seal, or after: assign",
        )  # fmt: skip


def _ancestors(graph: Mapping[str, Collection[str]], name: str) -> set[str]:
    found: set[str] = set()
    left = list(graph.get(name, ()))
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left += graph.get(each, ())
    return found


def _step(own: OwnStep, target: str, after: tuple[str, ...]) -> Step:
    return Step(
        name_of(own), own.kind, own.name, after=after, does=own.does(target), undone=own.undo, timeout_s=own.timeout_s,
        skippable=True,
        own={
            "name": own.name, "tries": own.tries, "repeatable": own.repeatable, "checked": own.checked,
            "definition": own.definition,
        },
    )  # fmt: skip


def misplaced(own: Sequence[OwnStep], sites: Sequence[str], after: Mapping[str, Sequence[str]]) -> list[StepMisplaced]:
    """What is wrong with the places of own steps in any operation that may come. `after`: the dependency map."""
    found: dict[tuple[str, str], StepMisplaced] = {}
    met: dict[tuple[str, str], bool] = {}
    for occasion, target, moving, steps in _operations(sites, after):
        try:
            weave(steps, own, occasion, target, moving)
        except StepMisplaced as error:
            found.setdefault((error.name, error.got), error)
        taken = {each.name: each for each in part_of(own, occasion, target, moving)}
        anchors = _Anchors(steps, own, taken)
        for each in taken.values():
            stands = not (each.after or each.before) or bool(anchors.of(each, "after") | anchors.of(each, "before"))
            met[each.name, occasion] = met.get((each.name, occasion), False) or stands
    for (name, occasion), stands in met.items():
        if not stands and occasion in ("promote", "switchover"):
            others = [each for each in next(o for o in own if o.name == name).on if each != occasion]
            found[name, occasion] = StepMisplaced(
                name, got=f"anchors that no {occasion} has", expected=f"one that a {occasion} has too",
                remedy=f"write on: [{', '.join(others)}]" if others else "name another step",
            )  # fmt: skip
    return list(found.values())


def _operations(
    sites: Sequence[str], after: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, tuple[str, ...], tuple[Step, ...]]]:
    """Every kind of operation to every site, of everything that moves."""
    names = tuple(after)
    for target in sites:
        others = [site for site in sites if site != target]
        docs = [_stand_in(name, sites, others[0]) for name in names]
        again = [{**doc, "reopen": True} for doc in docs]
        yield "promote", target, names, promotion_steps(target, docs, others, after, alone=False)
        yield "switchover", target, names, switchover_steps(target, docs, after, alone=False)
        yield "keys", target, names, promotion_steps(target, again, (), after, alone=False)
        yield "abort", target, names, promotion_steps(target, again, (), after, alone=True)
        for name, doc in zip(names, docs, strict=True):
            yield "workload", target, (name,), promotion_steps(target, [doc], others, after, alone=True)
            yield "workload", target, (name,), switchover_steps(target, [doc], after, alone=True)


def _stand_in(name: str, sites: Sequence[str], writer: str) -> Doc:
    """As much of a planned workload as its steps need."""
    return {"name": name, "reopen": False, "term": 1, "seal": sites, "writer": writer}
