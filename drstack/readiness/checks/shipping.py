"""Why nothing newer arrives at a standby, as far as facts tell: the command that helps, with the log that says more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.recovery.plan import stopped_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts, RepositoryFact, WorkloadFact


def what_helps(
    situation: Situation, facts: Facts, each: WorkloadFact, there: Sequence[RepositoryFact], than_saved_at: float
) -> str:
    """`there`: where something newer than what was saved at `than_saved_at` (unix seconds) should have arrived."""
    return (
        _at_writer(situation, facts, each, there)
        or _on_arrival(situation, each, there, than_saved_at)
        or _in_logs(situation, facts, each)
    )


def _at_writer(situation: Situation, facts: Facts, each: WorkloadFact, there: Sequence[RepositoryFact]) -> str | None:
    environment, writer, site = situation.environment, each.writer, facts.sites.get(each.writer)
    if site is None or not site.reachable:
        to = there[0].name if len(there) == 1 else "SITE"
        return f"look at {writer}, which ships it and cannot be seen; if it is lost: drstack promote {environment} --to {to}"
    if not site.replicator_running:
        log = _log(situation, writer)
        why = f"; why it ended: tail -n 50 '{log}'" if log is not None else ""
        return f"drstack up {environment} --site {writer} --refresh ({writer}'s replicator does not run{why})"
    if stopped_at(each, writer, facts):
        return f"drstack promote {environment} --to {writer} ({each.name} does not run there, so nothing is saved)"
    return None


def _on_arrival(
    situation: Situation, each: WorkloadFact, there: Sequence[RepositoryFact], than_saved_at: float
) -> str | None:
    for repository in there:
        if not repository.reachable:
            return bring_back(repository)
        if any(not one.left and not one.receipts and one.saved_at > than_saved_at for one in repository.newest):
            verify = f"replicator verify --repo '{repository.url}' --workload {each.name} --checkpoint all"
            said = f"newer ones arrived in {repository.name}, and nobody has verified them"
            return f"{verify}{with_keys(situation, repository.name)} ({said})"
    return None


def _in_logs(situation: Situation, facts: Facts, each: WorkloadFact) -> str:
    writer, name, look = each.writer, each.name, situation.looks.get(each.writer)
    job = facts.sites[writer].jobs.get(name)
    if job is not None and not job.running:
        run = look.run_logs.get(name) if look is not None else None
        read = f"tail -n 50 '{run}'" if run is not None else f"read the log of {name} at {writer}"
        return f"{read} ({name} does not run at {writer}{f': {job.failure}' if job.failure else ''})"
    log = _log(situation, writer)
    read = f"tail -n 50 '{log}'" if log is not None else f"read the log of {writer}'s replicator"
    return f"{read} ({writer}'s replicator runs, and ships nothing newer)"


def _log(situation: Situation, site: str) -> str | None:
    look = situation.looks.get(site)
    return look.replicator_log if look is not None else None


def with_keys(situation: Situation, site: str) -> str:
    """What a command of the replicator needs besides, where the repository is encrypted: the site's own keys."""
    there = situation.descriptors.get(site)
    return f" --keys '{there.keys}'" if there is not None and there.keys is not None else ""


def bring_back(repository: RepositoryFact) -> str:
    return f"bring {repository.url} within reach (its folder or bucket, credentials, the path to it): docs/operations/repair.md"
