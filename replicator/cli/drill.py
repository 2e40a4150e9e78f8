"""`replicator drill`: restore a checkpoint for practice, and say which to test next."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say

_NEXT = 5


def drill(
    repo: Repo,
    workload: Workload = None,
    keys: Keys = None,
    selector: Annotated[
        str | None, typer.Option("--checkpoint", help="A selector as of `restore`; by default what is at most risk.")
    ] = None,
    scratch: Annotated[Path | None, typer.Option("--scratch", help="Folder to restore below; emptied after.")] = None,
    verifier: Annotated[str, typer.Option("--verifier", help="Under which name the receipt is written.")] = "drill",
    *,
    json: Json = False,
) -> None:
    """Restore a checkpoint into a scratch folder, look at it as its trainer would, remove it, write a receipt.

    Exit 48 if it cannot be had whole.
    """
    from replicator.cli.progress import progress
    from replicator.errors import DataCorrupt, NothingToRestore
    from replicator.repository.drill import drill as practise
    from replicator.repository.pinning import DRILL, as_it_is_now, pinned
    from replicator.repository.risk import facts_of, ranked
    from replicator.repository.select import select

    repository = open_repository(repo, keys)
    name = only_workload(repository, workload)
    risks = ranked(facts_of(repository, name))
    if not risks:
        raise NothingToRestore(f"{repository.store.url}: {name} has no checkpoint")
    view = repository.log(name).view()
    standing = {each.slot: each for each in view.in_order()}
    first = next((standing[each.facts.slot] for each in risks if each.facts.slot in standing), None)
    if first is None:
        raise NothingToRestore(f"{repository.store.url}: every checkpoint of {name} was dropped meanwhile")
    chosen = select(repository, name, selector) if selector else first
    where = scratch or Path(tempfile.gettempdir())
    with (
        pinned(repository, name, chosen, reason="a drill", kind=DRILL),
        progress("restoring", chosen.what.size_bytes) as advance,
    ):
        chosen = as_it_is_now(repository, name, chosen)
        done = practise(repository, name, chosen, where, verifier, progress=advance)
    after = ranked(facts_of(repository, name))[:_NEXT]
    what = chosen.what
    document: dict[str, object] = {
        "workload": name, "commit": str(what.id()), "step": what.step, "ok": done.why is None, "reason": done.why,
        "seconds": round(done.seconds, 3), "size_bytes": done.size_bytes, "layout": done.layout,
        "why": next((each.why for each in risks if each.facts.slot == chosen.slot), ("it arrived just now",)),
        "next": [
            {"commit": each.facts.commit, "step": each.facts.step, "score": round(each.score, 3), "why": each.why}
            for each in after
        ],
    }  # fmt: skip
    outcome = "restored whole" if done.why is None else f"FAILED: {done.why}"
    took = f"in {done.seconds:.1f} s, {done.size_bytes:,} bytes"
    lines = [f"{what.id()} step {what.step}: {outcome} ({done.layout or 'no layout'}) {took}", "to test next:"]
    lines += [
        f"  {each.facts.commit:>8}  step {each.facts.step}  score {each.score:.3f}  {', '.join(each.why)}"
        for each in after
    ]
    say(document, "\n".join(lines), as_json=json)
    if done.why is not None:
        raise DataCorrupt(
            f"{name} {what.id()} in {repository.store.url}: {done.why}",
            hint=f"replicator repair --repo {repository.store.url} --from PEER",
        )
