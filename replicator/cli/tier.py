"""`replicator tier`: each checkpoint into the tier where it belongs; `replicator thaw`: what an archive has to bring back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Grace, Json, Keys, Repo, Workload, only_workload, open_repository, say, warn
from replicator.retention.grace import GRACE_S

if TYPE_CHECKING:
    from replicator.retention.tiers import Move, Placement


def tier(
    tiers: Annotated[
        Path, typer.Option("--tiers", help="JSON file of the tiers, hottest first (docs/operations/tiers.md).")
    ],
    workload: Workload = None,
    keys: Keys = None,
    verifier: Annotated[
        str, typer.Option("--verifier", help="In whose name what was copied is read back.")
    ] = "operator",
    grace_s: Grace = GRACE_S,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it and move nothing.")] = False,
    json: Json = False,
) -> None:
    """Copy what grew old or is not read to the next colder tier, read it back there, and only then let go of it."""
    from replicator.crypto.keyring import find_keyring
    from replicator.repository.plain import warn_if_plain
    from replicator.repository.tiering import carry_out, look, tidy
    from replicator.retention.tiers import read_tiers
    from replicator.service.tiering import open_tier

    told = read_tiers(tiers)
    ring = find_keyring(keys)
    there = {each.name: open_tier(each, ring) for each in told}
    for each in there.values():
        warn_if_plain(each, warn)
    first = there[told[0].name]
    name = only_workload(first, workload)
    if not dry_run:
        tidy(told, there, name)
    placement = look(told, there, name, first.clock())
    done = [] if dry_run else carry_out(placement, there, name, verifier, grace_s=grace_s)
    failed = {each.move: each.why_not for each in done if each.why_not is not None}
    document: dict[str, object] = {
        "workload": name, "dry_run": dry_run,
        "moves": [
            {
                "do": each.do, "commit": str(each.commit), "from": each.source, "to": each.target, "reason": each.reason,
                "done": not dry_run and each not in failed, "why_not": failed.get(each),
            }
            for each in placement.moves
        ],
        "stays": [{"tier": at, "commit": str(key), "reason": why} for (at, key), why in sorted(placement.stays.items())],
    }  # fmt: skip
    say(document, "\n".join(_lines(name, placement, failed)), as_json=json)


def _lines(name: str, placement: Placement, failed: dict[Move, str]) -> list[str]:
    lines = [f"{name}: {len(placement.moves)} moves"]
    for each in placement.moves:
        what = f"copy  {each.commit!s:>8}  {each.source} -> {each.target}"
        if each.do == "drop":
            what = f"drop  {each.commit!s:>8}  from {each.source}"
        why = failed.get(each)
        lines.append(f"  {what}  {each.reason}" + (f"\n        not done: {why}" if why else ""))
    lines += [f"  stay  {key!s:>8}  {at}  {why}" for (at, key), why in sorted(placement.stays.items())]
    return lines


def thaw(
    selector: Annotated[str, typer.Argument(help="latest, TERM.HEIGHT, step:N.")],
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    days: Annotated[int, typer.Option("--days", min=1, help="How long what was brought back stays readable.")] = 7,
    speed: Annotated[
        str, typer.Option("--speed", help="expedited, standard or bulk, as the archive offers.")
    ] = "standard",
    *,
    json: Json = False,
) -> None:
    """Ask an archive (GLACIER, DEEP_ARCHIVE) for all that a checkpoint needs, and say what is there already."""
    from replicator.repository.packs import manifest_key, pack_key
    from replicator.repository.select import select
    from replicator.stores.archived import thaw as ask
    from replicator.stores.s3_control import s3_control

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    chosen = select(repository, name, selector)
    needed = [manifest_key(chosen.where.manifest.digest), *(pack_key(pack.digest) for pack in chosen.where.packs)]
    counts = ask(s3_control(repo), needed, days=days, tier=speed)
    ready = not counts.get("thawing")
    document: dict[str, object] = {"workload": name, "commit": str(chosen.what.id()), "ready": ready, "objects": counts}
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    end = "restore it now" if ready else "it takes minutes to hours; run this again"
    say(document, f"{name} {chosen.what.id()}: {told}: {end}", as_json=json)
