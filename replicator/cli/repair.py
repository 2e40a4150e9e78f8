"""`replicator repair`: make a repository whole again from peers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, open_repository, say


def repair(
    repo: Repo,
    peers: Annotated[list[str], typer.Option("--from", help="A peer's repository, or a copy of this one; repeatable.")],
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name receipts are written.")] = "operator",
    place: Annotated[Path | None, typer.Option("--place", help="What `scrub` remembers, and found damaged.")] = None,
    keys: Keys = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="Read every object, not only what is doubted.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what is damaged and touch nothing.")] = False,
    json: Json = False,
) -> None:
    """Put back what is damaged or missing, and the log where it was rolled back. Needs the keeper's credentials.

    Exit 68 if something could not be put back, 67 if the log still is shorter than it was.
    """
    from replicator.cli.progress import progress
    from replicator.errors import NotRepaired, RolledBack
    from replicator.repository.heads import HeadMemory, why_rolled_back
    from replicator.repository.repair import Repaired, find_damage, repair_logs
    from replicator.repository.repair import repair as put_back
    from replicator.repository.scrub import default_place, load

    repository, others = open_repository(repo, keys), [open_repository(url, keys) for url in peers]
    memory = HeadMemory()
    suspected = load(place or default_place(repository)).damaged
    logs = {} if plan else repair_logs(repository, others, lambda name: memory.of(repository, name))
    with progress("repairing", 0) as advance:
        if plan:
            _, bad, examined = find_damage(repository, full=full, suspected=suspected, progress=advance)
            done = Repaired(examined=examined, left=bad)
        else:
            done = put_back(repository, others, verifier, full=full, suspected=suspected, progress=advance)
    back = {
        name: why
        for name in repository.workloads()
        if (why := why_rolled_back(repository, name, memory.of(repository, name))) is not None
    }
    document: dict[str, object] = {
        "examined": done.examined, "repaired": done.repaired, "left": done.left, "whole": done.whole,
        "log": {name: {"slots": each.slots, "receipts": each.receipts} for name, each in logs.items()},
        "rolled_back": back, "plan": plan,
    }  # fmt: skip
    lines = [
        f"log of {name}: slots {each.slots}, {len(each.receipts)} receipts put back" for name, each in logs.items()
    ]
    lines += [f"{key}: {how}" for key, how in done.repaired.items()]
    lines += [f"{each}: read back, every digest matched" for each in done.whole]
    lines += [f"{'damaged' if plan else 'NOT repaired'}: {why}" for why in done.left.values()]
    lines += [f"log of {name}: still rolled back: {why}" for name, why in back.items()]
    say(document, "\n".join(lines) or f"{done.examined} objects, nothing to repair", as_json=json)
    for name in repository.workloads() if not back else ():
        memory.remember(repository, name)
    if back:
        raise RolledBack(f"{repository.store.url}: log of {', '.join(back)} still is rolled back")
    if done.left and not plan:
        raise NotRepaired(f"{repository.store.url}: {len(done.left)} objects could not be put back")
