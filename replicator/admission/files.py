"""Judging whole files of a sharded checkpoint: one that is left from an older step, two that changed places.

Invariant: a file is compared with itself in older checkpoints, and with files that hold the same pieces of the same
tensors; one that is of its own kind, or whose tensors rightly stay the same, is never said to be either.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from replicator.admission.findings import Finding
from replicator.admission.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from replicator.admission.policy import Policy
    from replicator.admission.summary import TensorSummary

_Files = dict[str, list["TensorSummary"]]

MAX_TENSORS = 32
"""How many tensors of a file are compared with other files'."""
MIN_TENSORS = 4
MAX_ALIKE = 1024
SURE = 5.0
"""How much nearer another file's past must be than the file's own, and than it ever moved, to be where it came from."""


def judge_files(
    current: Sequence[TensorSummary],
    history: Sequence[Sequence[TensorSummary]],
    labels: Sequence[str],
    policy: Policy,
) -> list[Finding]:
    now, past = _by_file(current, policy), [_by_file(each, policy) for each in history]
    if len(now) < 2:  # noqa: PLR2004 - one file is judged as the checkpoint that it is
        return []
    return [*_stale_files(now, past, labels, policy), *_swapped(now, past)]


def _by_file(checkpoint: Sequence[TensorSummary], policy: Policy) -> _Files:
    found: defaultdict[str, list[TensorSummary]] = defaultdict(list)
    for summary in checkpoint:
        if summary.file and summary.is_float and summary.size >= policy.min_elements and not summary.is_zero:
            found[summary.file].append(summary)
    return found


def _stale_files(now: _Files, past: list[_Files], labels: Sequence[str], policy: Policy) -> list[Finding]:
    same = {name: _same_as(name, now, past, policy) for name in now}
    if all(back == 1 for back in same.values()):
        return []
    return [
        Finding("stale-file", None, f"`{name}`: all {len(now[name])} float tensors are those of {labels[-back]}")
        for name, back in sorted(same.items())
        if back is not None
    ]


def _same_as(name: str, now: _Files, past: list[_Files], policy: Policy) -> int | None:
    """How many checkpoints back the file's tensors were these very ones, though they changed since or always did."""
    digests = [_digests(each.get(name, [])) for each in past]
    mine = _digests(now[name])
    back = next((back for back in range(1, len(past) + 1) if digests[-back] == mine), None)
    if back is None or back > 1:
        return back
    moved = sum(1 for one, other in zip(digests, digests[1:], strict=False) if one and other and one != other)
    return 1 if moved >= policy.stale_history and moved == len(past) - 1 else None


def _digests(tensors: list[TensorSummary]) -> list[tuple[str, str]]:
    return sorted((each.name, each.digest) for each in tensors)


def _swapped(now: _Files, past: list[_Files]) -> list[Finding]:
    if len(past) < 2:  # noqa: PLR2004 - how far a file moves must be known
        return []
    alike: defaultdict[tuple[tuple[str, str, int], ...], list[str]] = defaultdict(list)
    for name, tensors in now.items():
        if all(_form(each.get(name, [])) == _form(tensors) for each in past[-2:]):
            alike[_form(tensors)].append(name)
    found: list[Finding] = []
    for form, names in alike.items():
        if 1 < len(names) <= MAX_ALIKE and len(form) >= MIN_TENSORS:
            found.extend(_exchanged(sorted(names), now, past[-1], past[-2]))
    return found


def _exchanged(names: list[str], now: _Files, last: _Files, before: _Files) -> list[Finding]:
    """Pairs of files, each of which is near to what the other was, and far from what it was itself."""
    import numpy as np  # noqa: PLC0415 - takes long to load, and few checkpoints need it here

    here, there, older = (_norms(names, each) for each in (now, last, before))
    own = np.abs(here - there).mean(axis=1)
    usual = np.abs(there - older).mean(axis=1)
    nearest = [int(np.abs(there - row).mean(axis=1).argmin()) for row in here]
    found: list[Finding] = []
    for one, other in enumerate(nearest):
        if one < other and nearest[other] == one:
            apart = max(np.abs(here[one] - there[other]).mean(), np.abs(here[other] - there[one]).mean())
            if min(own[one], own[other]) > SURE * max(apart, usual[one], usual[other]):
                evidence = f"`{names[one]}` holds what `{names[other]}` held, and the other way round, by their norms"
                found.append(Finding("swapped", None, evidence))
    return found


def _norms(names: list[str], files: Mapping[str, list[TensorSummary]]) -> NDArray[np.float64]:
    """Per file the logarithms of its tensors' norms, weights before moments, which move more."""
    import numpy as np  # noqa: PLC0415

    rows = [sorted(files[name], key=lambda each: (kind_of(each.name) != "model", each.name)) for name in names]
    with np.errstate(all="ignore"):
        found = np.log(np.array([[each.norm for each in row[:MAX_TENSORS]] for row in rows], dtype=np.float64))
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def _form(tensors: list[TensorSummary]) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted((each.name, each.dtype, each.size) for each in tensors))
