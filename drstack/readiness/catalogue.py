"""Every finding that there is, with its severity; docs/operations/readiness.md says what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.finding import Finding

if TYPE_CHECKING:
    from drstack.readiness.finding import Role, Severity
    from drstack.recovery.evidence import Evidence

CATALOGUE: dict[str, Severity] = {
    # the outside
    "witness-unreachable": "blocking",
    "witness-unsound": "blocking",
    "environment-unreadable": "blocking",
    "keys-unusable": "blocking",
    "look-failed": "blocking",
    "state-unreachable": "warning",
    "state-unknown": "note",
    "descriptor-absent": "blocking",
    "descriptor-stale": "serious",
    "controller-undoes": "serious",
    "router-unreachable": "serious",
    "router-turned": "warning",
    "replicas-unready": "warning",
    # clocks
    "clock-apart": "warning",
    "loss-understated": "serious",
    # recovery points
    "recovery-point-none": "blocking",
    "recovery-point-old": "serious",
    "breach-predicted": "warning",
    "arrivals-stopped": "serious",
    "receipts-missing": "warning",
    "suspect-newest": "warning",
    "not-proved": "warning",
    "proof-failed": "serious",
    "repository-unreachable": "blocking",
    "writer-repository-unreachable": "warning",
    "rolled-back": "blocking",
    "writer-sealed": "serious",
    "writer-stopped": "serious",
    "fenced": "serious",
    "damaged-objects": "serious",
    # standbys
    "no-standby": "blocking",
    "site-unreachable": "blocking",
    "writer-unseen": "warning",
    "capacity-short": "blocking",
    "capacity-down": "serious",
    "capacity-unproved": "warning",
    "replicator-down": "serious",
    "replicator-silent": "warning",
    "job-undefined": "blocking",
    "site-drift": "warning",
    "disk-short": "blocking",
    "fit-refused": "blocking",
    "fit-changed": "warning",
    "fit-unknown": "note",
    "image-absent": "serious",
    "image-unknown": "warning",
    "drill-never": "warning",
    "drill-failed": "serious",
    "drill-old": "warning",
    "drill-overdue": "warning",
    "scrub-overdue": "warning",
    # keys
    "promoter-absent": "blocking",
    "recipient-absent": "blocking",
    "recipient-useless": "blocking",
    "keys-locked": "warning",
    "recipient-untried": "serious",
    # leases
    "lease-ahead": "blocking",
    "lease-elsewhere": "serious",
    "lease-absent": "serious",
    "lease-unrenewed": "serious",
    "lease-beyond-rto": "warning",
    "lease-wait": "note",
    # approvals
    "approvers-absent": "blocking",
    "approvers-few": "serious",
    "approvers-lacking": "warning",
    "glass-nobody": "note",
    "glass-unsigned": "warning",
    "approval-waits": "warning",
    "approval-expired": "note",
    # operations
    "operation-unfinished": "serious",
    "operation-paused": "serious",
    "operation-failed": "serious",
    "promotion-refused": "blocking",
    "consent-needed": "serious",
    "never-timed": "warning",
    "rto-beyond": "warning",
}


def finding(
    id: str,  # noqa: A002 - it is what a finding is called by
    what: str,
    remedy: str,
    evidence: Evidence,
    *,
    workload: str | None = None,
    site: str | None = None,
    role: Role | None = None,
) -> Finding:
    """KeyError for one that is not in the catalogue."""
    return Finding(id, CATALOGUE[id], what, remedy, evidence, workload, site, role)
