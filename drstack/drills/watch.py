"""Watching a drill's process: its progress, whether it must give way, and its end.

Invariant: when the real environment wants what the drill uses, every process of the drill is killed before anything
else is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from threading import Thread
from typing import IO, TYPE_CHECKING

from drstack.drills.script import RESULT, Played
from drstack.errors import WitnessUnreachable
from drstack.recovery.operation import unfinished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.drills.ground import Ground
    from drstack.recovery.world import Progress
    from drstack.witness.witness import Witness

POLL_S = 0.1
ASK_S = 1.0
"""How often the witness is asked whether an operation began."""


@dataclass(frozen=True, slots=True)
class Watched:
    """`played` is None where the process was ended before it could say anything; `gave_way` says for whom."""

    played: Played | None
    gave_way: str | None = None
    why: str = ""
    late: bool = False
    """It had not ended in time."""


def watch(
    folder: Path, ground: Ground, witness: Witness, progress: Progress, *, scratch: Path, timeout_s: float
) -> Watched:
    """Start the drill's process in `folder` and stay with it until it has ended. All of its processes are then gone."""
    wanted = give_way(ground, witness)
    environ = {**os.environ, **ground.environ(folder), "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(scratch / "cache")}
    process = subprocess.Popen(
        [sys.executable, "-m", "drstack.drills.stage", str(folder)], env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        if process.stdout is not None:
            Thread(target=_pass_on, args=(process.stdout, progress), daemon=True).start()
        ends_at = time.monotonic() + timeout_s
        why = None
        while process.poll() is None and (why := wanted()) is None and time.monotonic() < ends_at:
            time.sleep(POLL_S)
        late = process.poll() is None and why is None
    finally:
        ground.end(folder)
        process.wait(10)
    if why is not None:
        return Watched(None, gave_way=why)
    if late:
        return Watched(None, why=f"it had not ended after {timeout_s:g} s", late=True)
    return _said(folder, process.returncode, wanted)


def give_way(ground: Ground, witness: Witness) -> Callable[[], str | None]:
    """Says why the drill must end, if so: the site is wanted, or an operation began. A witness that is away says nothing."""
    asked = float("-inf")
    last: str | None = None

    def wanted() -> str | None:
        nonlocal asked, last
        if (why := ground.wanted()) is not None:
            return why
        if time.monotonic() - asked >= ASK_S:
            asked = time.monotonic()
            try:
                running = unfinished(witness)
            except WitnessUnreachable:
                return last
            last = None if running is None else f"operation {running.identity} began"
        return last

    return wanted


def _said(folder: Path, code: int, wanted: Callable[[], str | None]) -> Watched:
    try:
        return Watched(Played.model_validate_json((folder / RESULT).read_bytes()))
    except FileNotFoundError:
        # Whoever wants the site ends the drill without asking, and may be seen only a moment later.
        ends_at = time.monotonic() + 2 * ASK_S
        while (why := wanted()) is None and time.monotonic() < ends_at:
            time.sleep(POLL_S)
        if why is not None:
            return Watched(None, gave_way=why)
        how = f"was ended by signal {-code}" if code < 0 else f"exited {code} without a result"
        return Watched(None, why=f"the drill's process {how}")


def _pass_on(lines: IO[bytes], progress: Progress) -> None:
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if "begin" in told:
            progress.begin(str(told["begin"]))
        else:
            progress.end(str(told["end"]), float(told["seconds"]), str(told["detail"]))
