"""How often a generation of a job was tried, so that all its slots restart together.

A slot whose rank failed begins the next attempt for all; the others see that theirs is over. Invariant: a failure is
counted once, however many ranks it took along. `run/job-<workload>.json` holds it.
"""

from __future__ import annotations

import socket
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

from drstack.platforms.local.atomic import locked, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.platforms.local.desired import DesiredJob
    from drstack.platforms.local.folder import SiteFolder

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
CALM_S = 120.0
"""After running this long, a failure counts as the first again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`port` of rank 0's store; not before `not_before` (unix s); ranks that ended well are `done`."""

    generation: int
    number: int
    port: int
    not_before: float = 0.0
    began_at: float = 0.0
    in_a_row: int = 0
    failure: str | None = None
    failed_at: float | None = None
    done: tuple[int, ...] = ()


def read_attempt(folder: SiteFolder, workload: str, job: DesiredJob) -> Attempt:
    """The attempt that stands for the job's generation; its first where nothing failed yet."""
    body = read_json(folder.attempts(workload))
    if body is None or body.get("generation") != job.generation:
        return Attempt(job.generation, 0, job.port)
    return Attempt(**{**body, "done": tuple(cast("list[int]", body["done"]))})  # pyright: ignore[reportArgumentType]


def note_failure(folder: SiteFolder, workload: str, job: DesiredJob, failed: Attempt, why: str) -> None:
    """Begin the next attempt, unless another rank of the failed one did."""
    with locked(folder.attempts(workload)):
        stands = read_attempt(folder, workload, job)
        if (stands.generation, stands.number) == (failed.generation, failed.number):
            _write(folder, workload, after_failure(stands, why, time.time(), free_port()))


def note_done(folder: SiteFolder, workload: str, job: DesiredJob, attempt: Attempt, rank: int) -> None:
    with locked(folder.attempts(workload)):
        stands = read_attempt(folder, workload, job)
        if (stands.generation, stands.number) == (attempt.generation, attempt.number) and rank not in stands.done:
            _write(folder, workload, replace(stands, done=(*stands.done, rank)))


def after_failure(failed: Attempt, why: str, now: float, port: int) -> Attempt:
    """The attempt after one that failed `now` (unix s): each waits twice as long as the one before."""
    ran_s = now - max(failed.began_at, failed.not_before) if failed.began_at else 0.0
    in_a_row = 1 if ran_s > CALM_S else failed.in_a_row + 1
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(in_a_row - 1, 10))
    return Attempt(
        failed.generation, failed.number + 1, port, now + wait_s, now, in_a_row, failure=why, failed_at=now
    )  # fmt: skip


def _write(folder: SiteFolder, workload: str, attempt: Attempt) -> None:
    write_json(folder.attempts(workload), cast("Mapping[str, object]", asdict(attempt)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
