"""`replicator hold` and `replicator unhold`: checkpoints that nobody may drop, by whose word and why."""

from __future__ import annotations

from typing import Annotated

import typer

from replicator.cli.options import Json, Keys, Repo, Workload, only_workload, open_repository, say

Name = Annotated[str, typer.Option("--name", help="What the hold is called, such as a case number.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the log.")]
By = Annotated[str, typer.Option("--by", help="Who asks for it; it stays in the log.")]


def hold(
    selector: Annotated[str, typer.Argument(help="latest, step:N or TERM.HEIGHT.")],
    repo: Repo,
    name: Name,
    reason: Reason,
    by: By,
    workload: Workload = None,
    keys: Keys = None,
    *,
    json: Json = False,
) -> None:
    """Keep a checkpoint whatever the policy says, until `unhold`."""
    from replicator.repository.select import select
    from replicator.retention.holds import hold as hold_it

    repository = open_repository(repo, keys)
    which = only_workload(repository, workload)
    accepted = select(repository, which, selector)
    commit = accepted.what.id()
    hold_it(repository.log(which), name, commit, reason=reason, by=by)
    document: dict[str, object] = {"workload": which, "hold": name, "commit": str(commit), "step": accepted.what.step}
    say(document, f"{which} {commit} (step {accepted.what.step}) is held as {name}", as_json=json)


def unhold(
    repo: Repo, name: Name, reason: Reason, by: By, workload: Workload = None, keys: Keys = None, *, json: Json = False
) -> None:
    """Let go of a hold; who did and why stays in the log."""
    from replicator.retention.holds import release as release_it

    repository = open_repository(repo, keys)
    which = only_workload(repository, workload)
    release_it(repository.log(which), name, reason=reason, by=by)
    say({"workload": which, "released": name}, f"{which}: {name} is held no more", as_json=json)
