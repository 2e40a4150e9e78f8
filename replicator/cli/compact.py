"""`replicator compact`: what little is needed of old packs moves into new ones, and synthetic fulls are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Grace, Json, Keys, Repo, Workload, only_workload, open_repository, say
from replicator.retention.grace import GRACE_S

if TYPE_CHECKING:
    from replicator.repository.compact import Compacted
    from replicator.retention.compaction import Plan


def compact(
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    full: Annotated[
        list[str] | None,
        typer.Option(
            "--full", metavar="SELECTOR", help="Make this one self-contained: TERM.HEIGHT, step:N; repeatable."
        ),
    ] = None,
    min_live: Annotated[
        float,
        typer.Option("--min-live", min=0.01, max=1.0, help="Rewrite packs less of which is needed than this share."),
    ] = 0.5,
    max_spread: Annotated[
        float | None,
        typer.Option(
            "--max-spread",
            min=1.01,
            help="Make self-contained what lies in more than so many times the packs it fills.",
        ),
    ] = None,
    spare: Annotated[
        int, typer.Option("--spare", min=1, help="Leave the newest so many alone: pushes lean on them.")
    ] = 2,
    read: Annotated[str | None, typer.Option("--read", metavar="SIZE", help="Read at most so much: 50GB.")] = None,
    grace_s: Grace = GRACE_S,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Store anew what is worth it, from this repository alone: the source is not read, the writer's signature stays.

    Encrypted, it takes a recipient's key and the keeper's: what nobody here can read, nobody here can encode.
    """
    from replicator.cli.amounts import size_bytes
    from replicator.cli.progress import progress
    from replicator.repository.compact import compact as carry_out
    from replicator.repository.compact import usage_of
    from replicator.repository.select import select
    from replicator.retention.compaction import CompactionPolicy, plan_compaction

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    policy = CompactionPolicy(
        min_live=min_live, max_spread=max_spread, spare=spare,
        read_bytes=None if read is None else size_bytes(read, "--read"),
    )  # fmt: skip
    asked = [select(repository, name, selector).what.id() for selector in full or ()]
    view = repository.log(name).view()
    plan = plan_compaction(view, usage_of(repository, view), policy, full=asked)
    done: Compacted | None = None
    if not dry_run and plan.rewrites:
        with progress("compacting", plan.read_bytes) as advance:
            done = carry_out(repository, name, plan, view, grace_s=grace_s, progress=advance)
    say(_document(name, plan, done, dry_run=dry_run), "\n".join(_lines(name, plan, done)), as_json=json)


def _document(name: str, plan: Plan, done: Compacted | None, *, dry_run: bool) -> dict[str, object]:
    rewrites = [
        {"commit": str(each.commit), "full": each.full, "packs": list(each.packs), "reason": each.reason}
        for each in plan.rewrites
    ]
    return {
        "workload": name, "dry_run": dry_run, "checkpoints": rewrites, "packs": dict(plan.packs),
        "passed_over": dict(plan.passed_over), "read_bytes": plan.read_bytes, "written_bytes": plan.written_bytes,
        "freed_bytes": plan.freed_bytes, "compacted": [str(key) for key in done.done] if done else [],
        "left": done.left if done else {},
    }  # fmt: skip


def _lines(name: str, plan: Plan, done: Compacted | None) -> list[str]:
    lines = [f"  pack  {pack[:16]}  {why}" for pack, why in plan.packs.items()]
    lines += [f"  {'full' if each.full else 'move'}  {each.commit!s:>8}  {each.reason}" for each in plan.rewrites]
    lines += [f"  left  {what[:16]:>16}  {why}" for what, why in plan.passed_over.items()]
    if not plan.rewrites:
        return [f"{name}: nothing is worth compacting", *lines]
    sums = f"{plan.read_bytes:,} bytes read, {plan.written_bytes:,} written, {plan.freed_bytes:,} freed after the grace"
    if done is None:
        return [f"{name}: {len(plan.rewrites)} checkpoints would be encoded anew: {sums}", *lines]
    lines += [f"  kept  {commit:>8}  {why}" for commit, why in done.left.items()]
    return [f"{name}: {len(done.done)} of {len(plan.rewrites)} checkpoints encoded anew: {sums}", *lines]
