"""What a checkpoint may be beside the one that was pushed before it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.series.trained import size_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

READS_ALL = "restic passes over files whose times are as they were; a push reads all (docs/performance.md)"
STARTS = "starting Python and syncing the records take their time whatever the size"
TWO_PASSES = "a file that changed anywhere is hashed twice: its blocks, to find those that are there, and as a whole"
NO_DELTAS = "nearly every block of 4 MiB has a change, and there are no tensor deltas: all is compressed and sent"
KINDS = ("tensors", "rows", "elements")


@dataclass(frozen=True, slots=True)
class Case:
    """`base` was pushed before, unless it is None; `folder` is what is pushed now."""

    name: str
    folder: Path
    base: Path | None
    demanded: bool
    """Whether a speed is demanded of it."""
    hinders: str = ""
    """What stands in the way where the speed is not reached."""


def cases(stage: Stage, base: Path, later: Path, only: tuple[str, ...] | None = None) -> list[Case]:
    """The cases of two checkpoints of one run; with `only` those of these names."""
    made = stage.work / "cases" / f"{base.parent.name}-{base.name}"
    found = [
        Case("untouched since it was pushed", base, base, demanded=True, hinders=READS_ALL),
        Case("unchanged, saved again", made / "again", base, demanded=True, hinders=STARTS),
        *(
            Case(f"1 % of {kind} changed", made / kind, base, True, TWO_PASSES if kind == "tensors" else NO_DELTAS)
            for kind in KINDS
        ),
        Case("the run's next checkpoint", later, base, demanded=False),
        Case("first push", base, None, demanded=False),
    ]
    found = [case for case in found if only is None or case.name in only]
    for case in found:
        if case.folder.is_dir():
            continue
        case.folder.parent.mkdir(parents=True, exist_ok=True)
        making = made / "making"
        shutil.rmtree(making, ignore_errors=True)
        if case.folder.name == "again":
            stage.saved_again(base, making)
        else:
            told = stage.make("benchmarks.series.changed", case.folder.name, str(base), str(later), str(making))
            (made / f"{case.folder.name}.json").write_text(told)
        making.rename(case.folder)
    return found


def share_of(case: Case) -> str:
    """How many of its bytes differ, where that was counted."""
    told = case.folder.parent / f"{case.folder.name}.json"
    if not told.is_file():
        return ""
    return f"{100 * json.loads(told.read_text())['differ'] / size_of(case.folder):.2f} %"
