"""The worker pool: a program for each slot up to the bound, of which as many run as the desired state says.

Bounds come from Pulumi and only ever scale out to a raised minimum. Invariant: what actuators made active is not scaled
in here; a bound below it is refused (DESIGN, rule 10).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local import programs
from drstack.platforms.local.atomic import read_json, write_json, write_text
from drstack.platforms.local.desired import Desired, change, read_desired
from drstack.platforms.local.interpreter import of_site
from drstack.platforms.local.logs import tail
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from drstack.platforms.local.folder import SiteFolder
    from drstack.platforms.local.supervisor import ProgramState

READY_S = 30.0
_PATIENCE_S = 10.0
"""Where nothing but slots that do not start is missing for so long, no more is waited for them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    minimum: int
    maximum: int
    devices: str = "cpu"


def read_bounds(folder: SiteFolder) -> Bounds | None:
    body = read_json(folder.bounds)
    if body is None:
        return None
    return Bounds(int(str(body["minimum"])), int(str(body["maximum"])), str(body["devices"]))


def ensure_pool(folder: SiteFolder, bounds: Bounds, *, initial_slots: int | None, writes: Collection[str]) -> None:
    """Have the pool within its bounds and its desired slots running. ActuatorFailed.

    `initial_slots` counts for a new pool and for one whose site was down and writes nothing any more; `writes` are the
    workloads that the site's repository says it writes. A fenced pool stays down: its repository is taken back first.
    """
    before = read_desired(folder)
    if before is not None and before.slots > bounds.maximum:
        raise ActuatorFailed(
            f"{before.slots} slots of {folder.path} are in use, more than the new bound of {bounds.maximum}",
            hint="Scale in by a switchover, or raise `slots` of the site again.",
        )
    supervisor = Supervisor(folder)
    write_json(folder.bounds, {**asdict(bounds)})
    write_programs(folder, bounds)
    supervisor.reread()
    down = not _running(supervisor.programs())
    change(folder, lambda now: _settled(now, bounds, initial_slots, writes, down=down))
    settle(folder, lambda: wanted_slots(folder), deadline_s=READY_S)


def write_programs(folder: SiteFolder, bounds: Bounds) -> None:
    write_text(folder.programs / "pool.conf", programs.slots(folder, bounds.maximum, of_site(folder)))


def _settled(
    now: Desired | None, bounds: Bounds, initial_slots: int | None, writes: Collection[str], *, down: bool
) -> Desired:
    initial = bounds.minimum if initial_slots is None else initial_slots
    if now is None:
        return Desired(max(bounds.minimum, min(initial, bounds.maximum)))
    if down and now.slots and now.fenced is None:
        now = now.taken_back(writes, now.slots if initial_slots is None else initial)
    return replace(now, slots=max(bounds.minimum, now.slots))


def wanted_slots(folder: SiteFolder) -> int:
    """What is wanted now, by whoever said so last."""
    desired = read_desired(folder)
    return 0 if desired is None or desired.fenced is not None else desired.slots


def settle(folder: SiteFolder, wanted: Callable[[], int], *, deadline_s: float) -> None:
    """Start the slots below what is `wanted`, stop the others, and wait until they are. ActuatorFailed.

    One that cannot be had keeps no other from running. `wanted` is asked at every look: what somebody
    else wants meanwhile counts, and nothing is turned back to what was wanted before.
    """
    deadline = Deadline(deadline_s)
    supervisor = Supervisor(folder, timeout_s=deadline.left_s(10))
    tried: dict[str, str] = {}
    patience = Deadline(_PATIENCE_S)
    while not _turned(folder, supervisor, wanted(), tried) and not deadline.passed:
        if not _refused(folder, supervisor, wanted()):
            patience = Deadline(_PATIENCE_S)
        if patience.passed:
            break
        time.sleep(0.1)
    slots = wanted()
    if late := _unsettled(folder, supervisor, slots):
        raise _late(folder, supervisor, slots, late, tried.get(late[0], ""))


def _turned(folder: SiteFolder, supervisor: Supervisor, slots: int, tried: dict[str, str]) -> bool:
    """Whether it is as wanted. Each slot is started once, and again where somebody stopped it meanwhile. `tried`: by
    slot, why it could not be.
    """  # noqa: D205
    for name, state in supervisor.programs().items():
        index = slot_index(name)
        if index is not None and index < slots and not state.up and (name not in tried or state.state == "STOPPED"):
            try:
                supervisor.start(name)
                tried[name] = ""
            except ActuatorFailed as error:
                tried[name] = str(error)
        if index is not None and index >= slots and state.up:
            supervisor.stop(name)
    return not _unsettled(folder, supervisor, slots)


def _refused(folder: SiteFolder, supervisor: Supervisor, slots: int) -> bool:
    """Whether all that are missing end as soon as they are started, or cannot be started."""
    states, late = supervisor.programs(), _unsettled(folder, supervisor, slots)
    return bool(late) and all(name in states and states[name].state in ("BACKOFF", "FATAL") for name in late)


def _late(folder: SiteFolder, supervisor: Supervisor, slots: int, late: list[str], why: str) -> ActuatorFailed:
    run = min(slots, running_slots(folder, supervisor.programs()))
    return ActuatorFailed(
        f"site {folder.path}: {run} of {slots} slots run and are held; {', '.join(late)} not as wanted: "
        f"{why or tail(folder.log(late[0]))}",
        hint=f"Read {folder.log(late[0])}; what runs stays. Then the same command again.",
    )


def pool_drift(folder: SiteFolder) -> list[str]:
    """What keeps the pool from being as desired, in words."""
    desired = read_desired(folder)
    if desired is None or read_bounds(folder) is None:
        return ["the pool's desired state is gone"]
    if desired.fenced is not None:
        return [f"the site is fenced: {desired.fenced}"]
    try:
        there = Supervisor(folder).programs()
    except ActuatorFailed:
        return ["supervisord is gone"]
    states = {index: there.get(programs.slot_name(index)) for index in range(desired.slots)}
    return [f"slot-{i} is {s.state if s else 'unknown'}" for i, s in states.items() if s is None or not s.up]


def remove_pool(folder: SiteFolder, *, deadline_s: float) -> None:
    """Stop all slots and forget them, values included."""
    settle(folder, lambda: 0, deadline_s=deadline_s)
    (folder.programs / "pool.conf").unlink(missing_ok=True)
    Supervisor(folder).reread()
    for path in (folder.desired, folder.bounds):
        path.unlink(missing_ok=True)


def slot_index(program: str) -> int | None:
    prefix, _, number = program.partition("-")
    return int(number) if prefix == "slot" and number.isdigit() else None


def running_slots(folder: SiteFolder, states: dict[str, ProgramState]) -> int:
    """Slots that run and have said so."""
    return sum(_ready(folder, i, s) for name, s in states.items() if (i := slot_index(name)) is not None)


def _running(states: dict[str, ProgramState]) -> bool:
    return any(state.up for name, state in states.items() if slot_index(name) is not None)


def _unsettled(folder: SiteFolder, supervisor: Supervisor, slots: int) -> list[str]:
    states = supervisor.programs()
    late = [
        name
        for name, state in states.items()
        if (index := slot_index(name)) is not None
        and (not _ready(folder, index, state) if index < slots else state.pid != 0)
    ]
    missing = [programs.slot_name(index) for index in range(slots) if programs.slot_name(index) not in states]
    return missing + sorted(late)


def _ready(folder: SiteFolder, index: int, state: ProgramState) -> bool:
    shown = read_json(folder.slot(index))
    return state.state == "RUNNING" and shown is not None and shown.get("pid") == state.pid
