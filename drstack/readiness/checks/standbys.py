"""Standbys: within reach, with room for the work, running what they should, and able to run the work at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.readiness.checks.shipping import with_keys
from drstack.recovery.evidence import seen, supposed, told, unknown
from drstack.recovery.status import spell
from replicator.versions.fit import Answer, fit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.ports import SiteObservation

_SILENT_S = 120.0
_DRILL_OLD_S = 90 * 86_400.0
"""Three months: after so long nobody's last practice says much of today."""
_GIB = 1 << 30


def standbys(situation: Situation) -> Iterator[Finding]:
    facts = situation.facts
    if facts is None:
        return
    writers = {each.writer for each in facts.workloads.values()}
    if len(facts.sites) < 2 and writers:  # noqa: PLR2004
        yield finding(
            "no-standby", "no other site is declared", "declare a second site in the environment file, then drstack up",
            seen("the environment file", facts.at),
        )  # fmt: skip
    if situation.overdue is not None:
        yield finding(
            "drill-overdue", f"the schedule of drills is not kept: {situation.overdue.why}", situation.overdue.command,
            told(situation.witness, situation.at),
        )  # fmt: skip
    for name, site in facts.sites.items():
        writes = name in writers
        stands_by = any(each.writer != name for each in facts.workloads.values())
        if not site.reachable:
            yield from _away(situation, site, writes=writes, stands_by=stands_by)
            continue
        if not site.replicator_running:
            yield from _replicator_down(situation, facts, site, writes=writes)
        if stands_by:
            yield from _capacity(situation, facts, site)
            yield from _verified(situation, facts, site)
            yield from _drill(situation, facts, site)
            yield from _look(situation, facts, site)


def _up(situation: Situation, site: str) -> str:
    return f"drstack up {situation.environment} --site {site} --refresh"


def _away(situation: Situation, site: SiteObservation, *, writes: bool, stands_by: bool) -> Iterator[Finding]:
    if situation.descriptors.get(site.site, ()) is None:
        return  # told as `descriptor-absent`
    evidence = unknown(f"site {site.site}")
    if writes:
        others = [name for name in situation.facts.sites if name != site.site] if situation.facts is not None else []
        to = others[0] if len(others) == 1 else "SITE"
        yield finding(
            "writer-unseen", f"{site.site} writes and cannot be seen: {site.why}; that is no evidence that it died",
            f"look at {site.site}; if it is lost: drstack promote {situation.environment} --to {to} --plan", evidence,
            site=site.site, role="writer",
        )  # fmt: skip
    if stands_by:
        yield finding(
            "site-unreachable", f"{site.site}'s actuators are out of reach: {site.why}", _up(situation, site.site), evidence,
            site=site.site, role="standby",
        )  # fmt: skip


def _replicator_down(situation: Situation, facts: Facts, site: SiteObservation, *, writes: bool) -> Iterator[Finding]:
    means = "nothing new is protected" if writes else "nothing that arrives there is verified, and nothing old removed"
    yield finding(
        "replicator-down", f"{site.site}'s replicator does not run: {means}", _up(situation, site.site),
        facts.site_evidence(site.site), site=site.site,
    )  # fmt: skip


def wanted(situation: Situation, facts: Facts, standby: str) -> int:
    """Worker slots that `standby` must have if the site that writes most were lost: what comes, what writes there already."""
    here = sum(situation.needs[n].ranks for n, each in facts.workloads.items() if each.writer == standby)
    look = situation.looks.get(standby)
    coming = max(
        (
            sum(situation.needs[n].ranks for n, each in facts.workloads.items() if each.writer == lost)
            for lost in {each.writer for each in facts.workloads.values()} - {standby}
        ),
        default=0,
    )
    return here + coming + (look.held_slots if look is not None else 0)


def _capacity(situation: Situation, facts: Facts, site: SiteObservation) -> Iterator[Finding]:
    need, evidence = wanted(situation, facts, site.site), facts.site_evidence(site.site)
    if site.capacity_bound < need:
        yield finding(
            "capacity-short", f"{site.site} can have {site.capacity_bound} worker slots and the work needs {need}",
            f"raise `slots` of {site.site} in the environment file, then: drstack up {situation.environment} --site {site.site}",
            evidence, site=site.site, role="standby",
        )  # fmt: skip
        return
    ready = situation.standby_slots.get(site.site)
    if ready is not None and site.capacity < ready:
        yield finding(
            "capacity-down", f"{site.site} should have {ready} worker slots ready while it stands by; {site.capacity} run",
            _up(situation, site.site), evidence, site=site.site, role="standby",
        )  # fmt: skip
    if site.capacity >= need:
        return
    most, at = situation.timings.capacity.get(site.site, (0, None))
    if most < need:
        yield finding(
            "capacity-unproved",
            f"{site.site} runs {site.capacity} of the {need} worker slots that the work needs; that it can have the rest was "
            + (f"shown for {most} only" if most else "never shown"),
            f"drstack drill {situation.environment} --site {site.site}",
            told("a past operation", at) if most else supposed(f"site {site.site}: its bound"),
            site=site.site, role="standby",
        )  # fmt: skip


def _verified(situation: Situation, facts: Facts, site: SiteObservation) -> Iterator[Finding]:
    said = site.verified
    if said is None:
        return
    source = told(f"the replicator of {site.site}", said.at)
    silent_s = None if said.at is None else facts.at - said.at
    if silent_s is not None and silent_s > _SILENT_S and site.replicator_running:
        yield finding(
            "replicator-silent", f"{site.site}'s replicator runs and has said nothing for {spell(silent_s)}",
            f"read the log of {site.site}'s replicator; {_up(situation, site.site)}", source, site=site.site, role="standby",
        )  # fmt: skip
    repository = next((r for w in facts.workloads.values() if (r := w.repositories.get(site.site)) is not None), None)
    peer = next(
        (
            r.url
            for w in facts.workloads.values()
            for r in w.repositories.values()
            if r.name != site.site and r.reachable
        ),
        "PEER",
    )
    if said.damaged:
        yield finding(
            "damaged-objects", f"{said.damaged} objects in {site.site}'s repository are damaged",
            f"replicator repair --repo '{repository.url if repository else 'URL'}' --from '{peer}'"
            + with_keys(situation, site.site), source,
            site=site.site, role="standby",
        )  # fmt: skip
    if "scrub" in said.overdue:
        yield finding(
            "scrub-overdue", f"{site.site}'s repository was not read back in time",
            f"drstack checkpoints scrub --repo '{repository.url if repository else 'URL'}'"
            + with_keys(situation, site.site), source, site=site.site, role="standby",
        )  # fmt: skip


def _drill(situation: Situation, facts: Facts, site: SiteObservation) -> Iterator[Finding]:
    drill = situation.drills.get(site.site)
    repository = next((r for w in facts.workloads.values() if (r := w.repositories.get(site.site)) is not None), None)
    practise = (
        f"drstack checkpoints drill --repo '{repository.url if repository else 'URL'}' --checkpoint latest"
        + with_keys(situation, site.site)
    )
    if drill is None:
        yield finding(
            "drill-never", f"nothing was ever restored in practice from {site.site}'s repository", practise,
            unknown(f"the replicator of {site.site}"), site=site.site, role="standby",
        )  # fmt: skip
        return
    age_s = situation.at - drill.at
    if not drill.ok:
        yield finding(
            "drill-failed", f"the last drill at {site.site}, {spell(age_s)} ago, failed: {drill.result}", practise,
            drill.evidence, site=site.site, role="standby",
        )  # fmt: skip
    overdue = site.verified is not None and "drill" in site.verified.overdue
    if overdue or age_s > _DRILL_OLD_S:
        yield finding(
            "drill-old", f"the last drill at {site.site} was {spell(age_s)} ago", practise, drill.evidence,
            site=site.site, role="standby",
        )  # fmt: skip


def _look(situation: Situation, facts: Facts, site: SiteObservation) -> Iterator[Finding]:
    look = situation.looks.get(site.site)
    if look is None:
        return
    evidence = seen(f"site {site.site}", look.at)
    coming = [each for each in facts.workloads.values() if each.writer != site.site]
    for each in coming:
        if each.name in look.undefined:
            yield finding(
                "job-undefined", f"{site.site} knows no job of {each.name}",
                f"drstack up {situation.environment} --site {site.site}", evidence, workload=each.name, site=site.site,
                role="standby",
            )  # fmt: skip
        yield from _fits(situation, each, site.site)
    for what in look.drift:
        yield finding(
            "site-drift", f"{site.site}: {what}", _up(situation, site.site), evidence, site=site.site, role="standby"
        )
    for reference, there in look.images.items():
        known = there is not None
        yield finding(
            "image-absent" if known else "image-unknown",
            f"{site.site}: image {reference} "
            + ("is not there" if known else f"cannot be asked for: {look.unknown.get('images')}"),
            f"pull {reference} at {site.site}", evidence if known else unknown(f"site {site.site}"), site=site.site,
            role="standby",
        )  # fmt: skip
    yield from _disk(situation, site.site, coming)


def _disk(situation: Situation, site: str, coming: list[WorkloadFact]) -> Iterator[Finding]:
    look = situation.looks[site]
    wanted_bytes = sum(
        max((commit.size_bytes for r in each.repositories.values() for commit in r.newest[:1]), default=0)
        for each in coming
    )
    if look.free_bytes is not None and look.free_bytes < wanted_bytes:
        yield finding(
            "disk-short",
            f"{site} has {look.free_bytes / _GIB:.1f} GiB free; restoring takes {wanted_bytes / _GIB:.1f} GiB",
            f"free space at {site}, where checkpoints are restored to", seen(f"site {site}", look.at), site=site, role="standby",
        )  # fmt: skip


def _fits(situation: Situation, each: WorkloadFact, site: str) -> Iterator[Finding]:
    work, look = situation.works.get(each.name), situation.looks[site]
    if work is None or look.machine is None:
        return
    verdict = fit(work, look.machine)
    if verdict.answer is Answer.YES:
        return
    ids = {Answer.NO: "fit-refused", Answer.CHANGED: "fit-changed", Answer.UNKNOWN: "fit-unknown"}
    why = "; ".join(f"{r.about}: {r.why}" for r in verdict.reasons if r.answer is verdict.answer)
    repository = each.repositories.get(site)
    yield finding(
        ids[verdict.answer], f"{each.name} on {site}'s machines: {why}",
        f"drstack restore latest --repo '{repository.url if repository else 'URL'}' --workload {each.name} --explain"
        + with_keys(situation, site) + f" (at {site}; docs/versions.md)",
        seen(f"site {site}", look.at) if verdict.answer is not Answer.UNKNOWN else unknown(f"site {site}"),
        workload=each.name, site=site, role="standby",
    )  # fmt: skip
