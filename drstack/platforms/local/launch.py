"""The command and environment of one rank.

Decides what torchrun would: the variables are those that it documents. Its agent is left out, because it imports torch
before the rank does, which doubles the time from start to first step; a slot does the agent's other work itself.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.platforms.local.desired import DesiredJob
    from drstack.platforms.local.folder import SiteFolder

Devices = Literal["cpu", "auto"]


@dataclass(frozen=True, slots=True)
class Launch:
    argv: tuple[str, ...]
    env: Mapping[str, str]


_MODULES = "PYTHONPATH"
KEYS = "DRSTACK_KEYS"
"""Of a rank or replica: the folder of the trust file and keys of its site."""
ACKNOWLEDGE = "DRSTACK_ACKNOWLEDGE"
"""Of a job's definition: `near` where its saves wait for the near site."""
ACKNOWLEDGED = "DRSTACK_ACKNOWLEDGED"
"""Of a rank: the spool whose replicator says when a save is acknowledged."""


def plan_launch(
    folder: SiteFolder,
    workload: str,
    job: DesiredJob,
    *,
    rank: int,
    attempt: int,
    port: int,
    resume_step: int | None,
    device: int | None,
    inherited: Mapping[str, str],
) -> Launch:
    """`resume_step` None leaves the choice to the trainer; `device` None hides all GPUs."""
    checkpoints = str(folder.checkpoints(job.program.checkpoints))
    metrics = str(folder.metrics(workload))
    python = job.program.python or sys.executable
    if job.program.module is not None:
        given = ("--checkpoints", checkpoints, "--metrics", metrics)
        argv = (python, "-m", job.program.module, *given, *job.program.args)
    else:
        argv = (*_resolved(job.program.command, python), *job.program.args)
    env = {
        **inherited,
        "OMP_NUM_THREADS": "1",
        **job.program.env,
        "RANK": str(rank),
        "LOCAL_RANK": "0",
        "GROUP_RANK": str(rank),
        "WORLD_SIZE": str(job.ranks),
        "LOCAL_WORLD_SIZE": "1",
        "GROUP_WORLD_SIZE": str(job.ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": job.rdzv_id,
        "TORCHELASTIC_RESTART_COUNT": str(attempt),
        "CUDA_VISIBLE_DEVICES": "" if device is None else str(device),
        "DRSTACK_WORKLOAD": workload,
        "DRSTACK_ATTEMPT": attempt_id(job.rdzv_id, attempt),
        "DRSTACK_CHECKPOINTS": checkpoints,
        "DRSTACK_METRICS": metrics,
    }
    if job.program.env.get(ACKNOWLEDGE) == "near":
        env[ACKNOWLEDGED] = str(folder.spool / workload)
    if modules := [path for path in (job.program.env.get(_MODULES), inherited.get(_MODULES)) if path]:
        env[_MODULES] = os.pathsep.join(modules)
    set_keys(env, folder, job.program.env)
    env.pop("DRSTACK_RESUME_STEP", None)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, importing torch takes twice as long at every start
    if resume_step is not None:
        env["DRSTACK_RESUME_STEP"] = str(resume_step)
    return Launch(argv, env)


def set_keys(env: dict[str, str], folder: SiteFolder, declared: Mapping[str, str]) -> None:
    """A program of the site uses the site's keys, never those of whoever started it; or what its job declares."""
    if KEYS in declared:
        return
    env.pop(KEYS, None)
    if folder.keys.is_dir():
        env[KEYS] = str(folder.keys)


def attempt_id(rdzv_id: str, attempt: int) -> str:
    """What the trainer calls this start in its checkpoints and metrics."""
    return f"{rdzv_id}.{attempt}"


def device_of(slot: int, slots: Sequence[int], devices: Devices, present: int) -> int | None:
    """The GPU of a slot, if every one of the job's `slots` has its own; None where they compute on the CPU."""
    return slot if devices == "auto" and max(slots) < present else None


def gpus_present() -> int:
    try:
        return len(os.listdir("/proc/driver/nvidia/gpus"))  # noqa: PTH208
    except OSError:
        return 0


def _resolved(command: tuple[str, ...], python: str) -> tuple[str, ...]:
    """`python` means the job's interpreter, whatever PATH says."""
    return (python, *command[1:]) if Path(command[0]).name in ("python", "python3") else command
