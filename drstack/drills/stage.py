"""The process that plays a drill: `python -m drstack.drills.stage FOLDER`, started and watched by the drill's operator.

It dies with its operator. Invariant: before it touches anything, the kernel holds it, and all that it starts, to the
drill's folder; where the kernel cannot, it refuses unless the operator allowed that.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from threading import Lock

from drstack.assembly import load, open_witness
from drstack.drills.build import KEYS, build
from drstack.drills.ground import Place
from drstack.drills.play import play
from drstack.drills.script import FILE, RESULT, Logged, Played, Script
from drstack.errors import DrstackError, NotReady
from drstack.platforms.local.atomic import write_text
from drstack.platforms.local.confine import confine
from drstack.platforms.local.tether import die_with
from drstack.platforms.registry import open_drill_site
from replicator.errors import ReplicatorError

NICE = 5
"""Real work on the same machine goes first."""


class Lines:
    """Progress as JSON lines on stdout, for the operator's process."""

    def __init__(self) -> None:
        self._lock = Lock()

    def begin(self, step: str) -> None:
        self._say({"begin": step})

    def end(self, step: str, seconds: float, detail: str) -> None:
        self._say({"end": step, "seconds": seconds, "detail": detail})

    def _say(self, line: dict[str, object]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def perform(script: Script) -> Played:
    """Confine, build, play. Never raises for what a drill may find."""
    confined = confine((script.folder, *script.writable))
    if not confined and script.confined:
        return Played(
            confined=False, refused=True, error="this kernel cannot keep a drill's job from writing elsewhere (no Landlock)",
            hint="Linux 5.19 and newer can; or, if the job is known to write nothing else: --unconfined --reason '…'",
        )  # fmt: skip
    try:
        return _performed(script, confined=confined)
    except (DrstackError, ReplicatorError) as error:
        return Played(confined=confined, error=str(error), hint=error.hint, refused=True)
    except OSError as error:
        return Played(confined=confined, error=f"the drill could not be built: {error}", refused=True)


def _performed(script: Script, *, confined: bool) -> Played:
    environment, progress, began = load(script.environment), Lines(), time.monotonic()
    keys = script.folder / KEYS if environment.replication.encrypted else None
    place = Place(script.name, script.folder, keys, script.real)
    descriptor = open_witness(environment, script.root).descriptor(script.target)
    if descriptor is None:
        raise NotReady(
            f"{script.target} has published no descriptor",
            hint=f"drstack up {environment.environment} --site {script.target}",
        )
    site = open_drill_site(descriptor, place, [point.workload for point in script.points])
    world, _ = build(environment, script, place, site, progress)
    prepared_s = round(time.monotonic() - began, 3)
    told = play(world, script.target, script.component, by=script.by)
    logged = {
        point.workload: Logged(
            resumed_step=replay.resumed_step, exact=replay.exact, versions=dict(replay.versions),
            losses={step: loss.hex() for step, loss in replay.losses.items()},
        )
        for point in script.points
        if (replay := site.replay(point.workload)) is not None and replay.losses
    }  # fmt: skip
    return Played(confined=confined, prepared_s=prepared_s, logged=logged, **told)


def main() -> int:
    folder = Path(sys.argv[1])
    script = Script.model_validate_json((folder / FILE).read_bytes())
    die_with(script.operator_pid)
    os.nice(NICE)
    write_text(folder / RESULT, perform(script).model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
