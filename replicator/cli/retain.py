"""`replicator retain`: what a policy keeps and drops, and why; without --dry-run it is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Grace, Json, Keys, Repo, Workload, only_workload, open_repository, say
from replicator.retention.grace import GRACE_S

if TYPE_CHECKING:
    from replicator.log.replay import Accepted, LogView
    from replicator.retention.decide import Decision
    from replicator.retention.holds import Hold

Count = int | None
Row = dict[str, object]


def retain(
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    last: Annotated[Count, typer.Option("--keep-last", min=1, help="The newest so many.")] = None,
    hourly: Annotated[Count, typer.Option("--keep-hourly", min=1, help="One for each of so many hours.")] = None,
    daily: Annotated[Count, typer.Option("--keep-daily", min=1, help="One for each of so many days.")] = None,
    weekly: Annotated[Count, typer.Option("--keep-weekly", min=1, help="One for each of so many weeks.")] = None,
    monthly: Annotated[Count, typer.Option("--keep-monthly", min=1, help="One for each of so many months.")] = None,
    yearly: Annotated[Count, typer.Option("--keep-yearly", min=1, help="One for each of so many years.")] = None,
    min_age_s: Annotated[
        float, typer.Option("--min-age", min=0.0, metavar="SECONDS", help="Keep what was saved less long ago.")
    ] = 0.0,
    grace_s: Grace = GRACE_S,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it and drop nothing.")] = False,
    json: Json = False,
) -> None:
    """Say of every checkpoint why it stays or goes, and drop what goes; its bytes go after the grace."""
    from pydantic import ValidationError

    from replicator.errors import ReplicatorError
    from replicator.retention.holds import holds
    from replicator.retention.policy import Policy
    from replicator.service.keeping import Keeping

    try:
        policy = Policy(
            last=last, hourly=hourly, daily=daily, weekly=weekly, monthly=monthly, yearly=yearly, min_age_s=min_age_s
        )
    except ValidationError as error:
        raise ReplicatorError("nothing says what to keep", hint="Add --keep-last 20, or --keep-daily 7.") from error
    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    log = repository.log(name)
    view = log.view()
    keeping = Keeping(repository, name, "operator", policy, grace_s, 1.0)
    decision = keeping.decide(view)
    rows = [_row(each, decision, view) for each in reversed(view.in_order())]
    held = holds(log.entries(), view)
    left = keeping.litter()
    dropped = False
    if not dry_run:
        keeping.let_go()
        keeping.sweep()
        dropped = bool(set(decision.drop) - log.view().accepted.keys())
    document: dict[str, object] = {
        "workload": name, "policy": policy.model_dump(exclude_none=True), "dry_run": dry_run, "dropped": dropped,
        "checkpoints": rows, "litter": {"objects": len(left.keys), "size_bytes": left.size_bytes},
        "holds": [
            {"name": each.name, "commit": str(each.commit), "reason": each.reason, "stands": each.stands} for each in held
        ],
    }  # fmt: skip
    text = _table(name, policy.in_words(), rows, held, dropped=dropped)
    swept = f"litter: {len(left.keys)} objects, {left.size_bytes:,} bytes" if left.keys else "litter: none"
    say(document, f"{text}\n{swept}", as_json=json)


def _row(each: Accepted, decision: Decision, view: LogView) -> Row:
    """`frees_bytes`: what goes with it alone, where no other checkpoint that stays needs it."""
    key = each.what.id()
    needed = {pack.digest for other in decision.keep for pack in view.accepted[other].where.packs}
    freed = sum(pack.size_bytes for pack in each.where.packs if pack.digest not in needed)
    drop = decision.drop.get(key)
    return {
        "commit": str(key), "step": each.what.step, "saved_at": each.what.saved_at, "keep": drop is None,
        "reasons": list(decision.keep.get(key, ())) if drop is None else [drop],
        "frees_bytes": freed if drop is not None else 0,
    }  # fmt: skip


def _table(name: str, policy: str, rows: list[Row], held: list[Hold], *, dropped: bool) -> str:
    lines = [f"{name}: keeps {policy}; besides pins, holds and the newest that can be restored"]
    for row in rows:
        does = "keep" if row["keep"] else "drop"
        reasons = row["reasons"]
        why = ", ".join(str(each) for each in reasons) if isinstance(reasons, list) else ""  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        lines.append(f"  {does}  {row['commit']:>8}  step {row['step']:>8}  {why}")
    lines += [f"  hold  {each.name}: {each.commit} ({each.reason})" for each in held]
    going = sum(1 for row in rows if not row["keep"])
    lines.append(f"{going} {'dropped; bytes go after the grace' if dropped else 'would go' if going else 'go'}")
    return "\n".join(lines)
