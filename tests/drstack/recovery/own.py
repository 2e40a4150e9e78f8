"""Fleets whose environment has steps of users' own, carried out by the real thing; and an operator in a process.

`python -m tests.drstack.recovery.own FOLDER STEPS_JSON [KIND]` promotes (or switches over) and prints how it ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path

from drstack.actions.declared import own_steps
from drstack.actions.registry import LocalActions
from drstack.errors import DrstackError
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.spec.steps import OwnStep
from tests.drstack.recovery.fleet import Fleet

BY = Given(by="test")


def declared(**steps):
    return own_steps({name.replace("_", "-"): OwnStep.model_validate(each) for name, each in steps.items()})


def world_of(fleet, steps, **changed):
    return fleet.world(
        **{"own": declared(**steps), "actions": LocalActions(lambda: fleet.folder), "sleep": time.sleep, **changed}
    )


class Shared(MutableMapping):
    """What runs at a site, for every process: one file a workload."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, name):
        try:
            return tuple(json.loads((self.folder / name).read_text()))
        except FileNotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name, told):
        made = self.folder / f".{name}.{os.getpid()}"
        made.write_text(json.dumps(told))
        made.rename(self.folder / name)

    def __delitem__(self, name):
        (self.folder / name).unlink(missing_ok=True)

    def __iter__(self):
        return iter(sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(".")))

    def __len__(self):
        return len(list(iter(self)))


def fleet_on_disk(folder):
    fleet = Fleet(folder, names=("a", "b"), on_disk=True)
    for place, site in fleet.sites.items():
        begun = site.started
        site.started = Shared(folder / "running" / place)
        site.started.update(begun)
    return fleet


def begin_operator(fleet, steps, kind="promote"):
    """A real operator's process, in a session of its own."""
    argv = [sys.executable, "-m", "tests.drstack.recovery.own", str(fleet.folder), json.dumps(steps), kind]
    return subprocess.Popen(
        argv, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def until(what, within_s=60.0):
    ends = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.02)


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


if __name__ == "__main__":
    os.environ.setdefault("DRSTACK_OPERATOR", "other")
    fleet = fleet_on_disk(Path(sys.argv[1]))
    try:
        end = promote(world_of(fleet, json.loads(sys.argv[2])), "west", BY, kind=sys.argv[3])
    except DrstackError as error:
        sys.exit(f"{type(error).__name__} {error.exit_code}: {error}")
    print(end["result"])
