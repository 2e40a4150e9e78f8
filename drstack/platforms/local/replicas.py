"""Replicas: a workload that answers requests, on slots of a local site, each on a loopback port of its own.

Decides what a replica is told and which port it keeps. Invariant: a replica that ends is started again alone and on
the same port, so that the router's list of them stays true; it reads the site's repository and writes nothing to it.
"""

from __future__ import annotations

import secrets
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from drstack.errors import ActuatorFailed
from drstack.platforms.local import jobs
from drstack.platforms.local.atomic import locked, read_json, write_json
from drstack.platforms.local.desired import Desired, DesiredJob, change
from drstack.platforms.local.launch import Launch, set_keys
from drstack.platforms.local.ownership import read_record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from drstack.platforms.local.folder import SiteFolder

FIRST_PORT, PORTS = 20_000, 10_000
"""Below those that the kernel gives to outgoing connections, which could take a port whose replica is down."""
_TRIES = 200


def attempts_of(workload: str, job: DesiredJob, rank: int) -> str:
    """Under which name a rank's attempts are counted: ranks restart together, replicas alone. No workload has a dot."""
    return workload if job.program.serving is None else f"{workload}.{rank}"


def plan_replica(
    folder: SiteFolder, workload: str, job: DesiredJob, *, rank: int, device: int | None, inherited: Mapping[str, str]
) -> Launch:
    """Command and environment of one replica. ActuatorFailed if the site's folder does not say what it must be told."""
    serving, record, kept = job.program.serving, read_record(folder), ports(folder, workload)
    if serving is None or job.program.module is None or record is None or rank >= len(kept):
        raise ActuatorFailed(f"site {folder.path}: replica {rank} of {workload} has no port or no program")
    given = (
        "--repository", folder.store.as_uri(), "--model", serving.model, "--receipts", ",".join(serving.receipts),
        "--weights", str(folder.checkpoints(job.program.checkpoints) / str(rank)), "--port", str(kept[rank]),
        "--site", record.site,
    )  # fmt: skip
    env = {
        **inherited,
        "OMP_NUM_THREADS": "1",
        **job.program.env,
        "CUDA_VISIBLE_DEVICES": "" if device is None else str(device),
        "DRSTACK_WORKLOAD": workload,
    }
    set_keys(env, folder, job.program.env)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # as for ranks: importing torch without bytecode takes twice as long
    return Launch((sys.executable, "-m", job.program.module, *given, *job.program.args), env)


def ensure(folder: SiteFolder, workload: str, *, deadline_s: float) -> None:
    """Have its replicas wanted, and wait until their processes run; not until they are ready. ActuatorFailed."""
    change(folder, lambda now: _wanted(folder, now, workload))
    jobs.await_ranks(folder, workload, deadline_s=deadline_s)


def _wanted(folder: SiteFolder, now: Desired | None, workload: str) -> Desired:
    definition = jobs.read_definition(folder, workload)
    if now is None or definition is None:
        raise ActuatorFailed(
            f"site {folder.path}: {workload} has no job here", hint="drstack up ENV makes the site's pool and jobs."
        )
    before = now.jobs.get(workload)
    if before is not None and before.running and max(before.slots, default=0) < now.slots and now.fenced is None:
        return now
    slots = now.free_slots(definition.ranks, workload)
    if slots is None:
        raise ActuatorFailed(
            f"site {folder.path}: {workload} wants {definition.ranks} slots; {now.slots} run, and not enough are free",
            hint="Give the site more slots first, or the job fewer replicas.",
        )
    generation = before.generation + 1 if before else 1
    job = DesiredJob(
        running=True, generation=generation, token=f"serve-{generation}", exact=False, resume_step=None,
        ranks=definition.ranks, slots=slots, port=0, rdzv_id=secrets.token_hex(8), metrics_offset=0,
        program=definition.program,
    )  # fmt: skip
    return replace(now.with_job(workload, job), fenced=None)


def ports(folder: SiteFolder, workload: str) -> tuple[int, ...]:
    """Ports of a workload's replicas, in their order; none where none were given out."""
    return _all(folder).get(workload, ())


def keep_ports(folder: SiteFolder, workload: str, count: int) -> tuple[int, ...]:
    """Give each replica a port that nothing listens on; those that have one keep it."""
    with locked(folder.endpoints):
        every = _all(folder)
        mine = every.get(workload, ())[:count]
        taken = {port for given in every.values() for port in given}
        while len(mine) < count:
            mine = (*mine, pick_port({*taken, *mine}))
        write_json(folder.endpoints, cast("Mapping[str, object]", {**every, workload: mine}))
    return mine


def forget_ports(folder: SiteFolder, workload: str) -> None:
    if folder.pool.is_dir():
        with locked(folder.endpoints):
            kept = {name: given for name, given in _all(folder).items() if name != workload}
            write_json(folder.endpoints, cast("Mapping[str, object]", kept))


def _all(folder: SiteFolder) -> dict[str, tuple[int, ...]]:
    body = read_json(folder.endpoints) or {}
    try:
        return {name: tuple(int(port) for port in cast("list[int]", given)) for name, given in body.items()}
    except (TypeError, ValueError) as error:
        raise ActuatorFailed(f"{folder.endpoints} holds no ports: {error}", hint="drstack up ENV --refresh.") from error


def pick_port(taken: Collection[int]) -> int:
    """A loopback port outside of `taken` that nothing listens on now. ActuatorFailed."""
    for _ in range(_TRIES):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port
    raise ActuatorFailed(f"no free port between {FIRST_PORT} and {FIRST_PORT + PORTS} in {_TRIES} tries")
