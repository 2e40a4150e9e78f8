"""`replicator lock`: nobody can delete what stands, for a time; run again, what still stands stays locked."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say
from replicator.stores.lock import Mode

if TYPE_CHECKING:
    from replicator.stores.lock import ObjectLocks

_DAY_S = 86400.0
_TELL_EVERY_S = 2.0


def lock(
    repo: Repo,
    days: Annotated[float, typer.Option("--days", min=0.001, help="For how long, from now.")] = 30.0,
    workload: Workload = None,
    keys: Keys = None,
    selector: Annotated[str, typer.Option("--checkpoint", help="latest, step:N, TERM.HEIGHT, or all.")] = "all",
    mode: Annotated[
        Mode,
        typer.Option("--mode", help="governance: some identities may lift it; compliance: nobody, not even the owner."),
    ] = "governance",
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Lock nothing: try what this bucket and these credentials hold, on an own object."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it and lock nothing.")] = False,
    json: Json = False,
) -> None:
    """Lock every object that the checkpoints need, by S3 object lock. Locks are only made longer."""
    if check:
        _check(repo, mode, as_json=json)
        return
    from replicator.repository.select import select
    from replicator.retention.locks import covered, plan_locks
    from replicator.stores.lock import open_locks

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    locks = open_locks(repo)
    locks.require()
    view = repository.log(name).view()
    chosen = list(view.accepted) if selector == "all" else [select(repository, name, selector).what.id()]
    needed = list(covered(view, name, chosen, wrapped=repository.store.list("keys")))
    plan = plan_locks(iter(needed), _held(locks, needed), now=repository.clock(), for_s=days * _DAY_S)
    told = time.monotonic()
    for n, each in enumerate(plan):
        if dry_run:
            break
        locks.lock(each.key, each.until, mode)
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            sys.stderr.write(f"{n + 1} of {len(plan)} objects locked\n")
    document: dict[str, object] = {
        "workload": name, "checkpoints": [str(key) for key in sorted(chosen)], "objects": len(needed), "mode": mode,
        "locked": 0 if dry_run else len(plan), "to_lock": len(plan), "until": repository.clock() + days * _DAY_S,
    }  # fmt: skip
    what = f"{len(plan)} of {len(needed)} objects {'would be locked' if dry_run else 'locked'}"
    say(document, f"{name}: {len(chosen)} checkpoints, {what} for {days:g} days ({mode})", as_json=json)


def _check(repo: str, mode: Mode, *, as_json: bool) -> None:
    from replicator.stores.lock_check import look, require
    from replicator.stores.s3_control import s3_control

    findings = look(s3_control(repo), mode, clock=time.time)
    document: dict[str, object] = {"mode": mode, "findings": [each.document() for each in findings]}
    say(document, "\n".join(each.text() for each in findings), as_json=as_json)
    require(findings)


def _held(locks: ObjectLocks, keys: list[str]) -> dict[str, float]:
    """Asked of sixteen at a time: there is no list of locks."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(16) as pool:
        found = dict(zip(keys, pool.map(locks.until, keys), strict=True))
    return {key: until for key, until in found.items() if until is not None}
