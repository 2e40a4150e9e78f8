"""`replicator repair`: make a repository whole again from peers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Anchored, Grace, Json, Keys, Repo, anchored_heads, open_repository, say
from replicator.retention.grace import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from replicator.repository.anchors import Anchored as Anchor
    from replicator.repository.lost import Missing
    from replicator.repository.mirror import PutBack
    from replicator.repository.repair import Repaired
    from replicator.repository.repository import Repository


def repair(
    repo: Repo,
    peers: Annotated[list[str], typer.Option("--from", help="A peer's repository, or a copy of this one; repeatable.")],
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name receipts are written.")] = "operator",
    place: Annotated[Path | None, typer.Option("--place", help="What `scrub` remembers, and found damaged.")] = None,
    keys: Keys = None,
    grace_s: Grace = GRACE_S,
    anchors: Anchored = None,
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
    memory, anchored = HeadMemory(), anchored_heads(repository, anchors)
    suspected = load(place or default_place(repository)).damaged
    logs = {} if plan else repair_logs(repository, others, lambda name: memory.of(repository, name))
    with progress("repairing", 0) as advance:
        if plan:
            found = find_damage(repository, full=full, suspected=suspected, progress=advance)
            done = Repaired(examined=len(found.objects), left=found.bad)
        else:
            done = put_back(
                repository, others, verifier, full=full, suspected=suspected, grace_s=grace_s, progress=advance
            )
    back = {
        name: why
        for name in sorted({*repository.workloads(), *anchored})
        if (why := why_rolled_back(repository, name, memory.of(repository, name))) is not None
    }
    gone = _missing(repository, others, anchored, back)
    document: dict[str, object] = {
        "examined": done.examined, "repaired": done.repaired, "renewed": done.renewed, "left": done.left,
        "lost": done.lost, "whole": done.whole,
        "log": {name: {"slots": each.slots, "receipts": each.receipts} for name, each in logs.items()},
        "rolled_back": back, "plan": plan,
        "missing": {
            name: [{"commit": str(each.commit), "held_by": each.held_by} for each in lost] for name, lost in gone.items()
        },
    }  # fmt: skip
    lines = _lines(done, logs, back, gone, plan=plan)
    say(document, "\n".join(lines) or f"{done.examined} objects, nothing to repair", as_json=json)
    for name in repository.workloads() if not back else ():
        memory.remember(repository, name)
    if back:
        raise RolledBack(f"{repository.store.url}: log of {', '.join(back)} still is rolled back")
    if (done.left or done.lost) and not plan:
        raise NotRepaired(
            f"{repository.store.url}: {len(done.left)} objects could not be put back, {len(done.lost)} checkpoints not be "
            "stored anew"
        )


def _lines(
    done: Repaired,
    logs: Mapping[str, PutBack],
    back: Mapping[str, str],
    gone: Mapping[str, list[Missing]],
    *,
    plan: bool,
) -> list[str]:
    from replicator.repository.lost import told

    return [
        *(f"log of {name}: slots {each.slots}, {len(each.receipts)} receipts put back" for name, each in logs.items()),
        *(f"{key}: {how}" for key, how in done.repaired.items()),
        *(f"{name}: {how}" for name, how in done.renewed.items()),
        *(f"{each}: read back, every digest matched" for each in done.whole),
        *(f"{'damaged' if plan else 'NOT repaired'}: {why}" for why in done.left.values()),
        *(f"NOT whole: {name}: {why}" for name, why in done.lost.items()),
        *(f"log of {name}: still rolled back: {why}" for name, why in back.items()),
        *(f"  missing of {name}: {line}" for name, lost in gone.items() for line in told(lost)),
    ]


def _missing(
    repository: Repository, peers: Sequence[Repository], anchored: Mapping[str, Anchor], back: Iterable[str]
) -> dict[str, list[Missing]]:
    """Per workload whose log still is shorter than its anchor, what is not there, and which of the peers hold it."""
    from replicator.log.replay import replay
    from replicator.repository.lost import missing

    return {
        name: missing(
            replay(repository.log(name).entries()),
            anchored[name].anchor,
            [(peer.store.url, replay(peer.log(name).entries())) for peer in peers],
        )
        for name in back
        if name in anchored
    }
