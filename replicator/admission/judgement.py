"""Judging a checkpoint beside older ones (DESIGN, section 6, admission).

Invariant: a pure function of summaries. `history` holds checkpoints that were themselves admitted, so that a fault,
once found, does not become the measure of what follows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.admission.files import judge_files
from replicator.admission.findings import Finding
from replicator.admission.intent import converted, grown, switched
from replicator.admission.jumps import judge_jumps
from replicator.admission.kinds import Kind, kind_of, without_numbers, without_rank
from replicator.admission.policy import DEFAULT, Policy
from replicator.admission.rules import TENSOR_RULES
from replicator.admission.series import Series, by_name, series_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.admission.summary import TensorSummary

NAMED = 3
"""How many missing items a finding names."""


def judge(
    current: Sequence[TensorSummary],
    history: Sequence[Sequence[TensorSummary]],
    *,
    policy: Policy = DEFAULT,
    steps: Sequence[int] = (),
) -> tuple[Finding, ...]:
    """Why `current` is suspect; empty if it is not.

    `history` is oldest first, of older steps than `current`; `steps`, if given, are their steps, for the evidence.
    Items that are not tensors take part with dtype "bytes". Shards share their tensor's name.
    """
    labels = [f"step {step}" for step in steps]
    if len(labels) != len(history):
        labels = [f"the checkpoint {back} before" for back in range(len(history), 0, -1)]
    now = by_name(current)
    older = [by_name(checkpoint) for checkpoint in history]
    compared = _unmeant(series_of(now, older))
    found = [rule(series, policy) for series in compared for rule in TENSOR_RULES]
    said = {finding.tensor for finding in found if finding is not None}
    found.extend(jump for jump in judge_jumps(compared, policy) if jump.tensor not in said)
    whole = [_stale(current, history, labels, policy)]
    if whole == [None]:
        whole.extend(judge_files(current, history, labels, policy))
    if older:
        whole.extend(_gone(now, older[-1], kind, labels[-1]) for kind in ("optimizer", "loader", "rng", "scheduler"))
    return tuple(finding for finding in (*whole, *found) if finding is not None and finding.reason not in policy.off)


def _unmeant(compared: list[Series]) -> list[Series]:
    """The series, without the past of tensors that were given another form on purpose."""
    meant, words = converted(compared), grown(compared)
    return [
        Series(each.now, ())
        if each.past
        and ((kind_of(each.now.name), each.past[-1].dtype, each.now.dtype) in meant or each.now.name in words)
        else each
        for each in compared
    ]


def _stale(
    current: Sequence[TensorSummary],
    history: Sequence[Sequence[TensorSummary]],
    labels: Sequence[str],
    policy: Policy,
) -> Finding | None:
    """Every float tensor is bit-identical to that of an older step. One frozen tower is not; the whole model is."""
    now = _digests(current, policy)
    if not now:
        return None
    for checkpoint, label in reversed(list(zip(history, labels, strict=True))):
        if _digests(checkpoint, policy) == now:
            return Finding("stale", None, f"all {len(now)} float tensors are bit-identical to {label}")
    return None


def _digests(checkpoint: Sequence[TensorSummary], policy: Policy) -> list[tuple[str, str]]:
    return sorted((s.name, s.digest) for s in checkpoint if s.is_float and s.size >= policy.min_elements)


def _gone(
    now: Mapping[str, Sequence[TensorSummary]],
    before: Mapping[str, Sequence[TensorSummary]],
    kind: Kind,
    label: str,
) -> Finding | None:
    """Optimizer tensors are missed one by one; loader, RNG and other items only where no rank has its like."""
    had = {name: pieces[0] for name, pieces in before.items() if kind_of(name) == kind}
    have = [name for name in now if kind_of(name) == kind]
    if not had:
        return None
    form: Callable[[str], str] = without_rank if kind == "optimizer" else without_numbers
    left = {form(name) for name in have}
    missing = sorted(
        name
        for name, piece in had.items()
        if form(name) not in left and not (have and kind == "optimizer" and piece.dtype == "bytes")
    )
    if not missing or (kind == "optimizer" and switched(missing, list(had), have)):
        return None
    named = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
    evidence = f"{len(missing)} of {len(had)} {kind} items that {label} had are gone: {named}"
    return Finding("state-gone", missing[0] if len(missing) == 1 else None, evidence)
