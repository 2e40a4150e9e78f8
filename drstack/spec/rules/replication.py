"""Rules on replication and links: what they name exists, and who must acknowledge is there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from drstack.spec.rules.finding import Finding, Rule, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft


def near_sites_exist(draft: Draft) -> Iterator[Finding]:
    if draft.replication is None or draft.sites is None:
        return
    for site, near in draft.replication.near.items():
        path = ("replication", "near", site)
        others = [name for name in draft.sites if name != site]
        if site not in draft.sites:
            yield Finding(path, f"near for {site!r}", named(draft.sites), "name a declared site, or remove it")
        elif near not in others:
            got = "the same site" if near == site else repr(near)
            yield Finding(path, got, named(others), f"write {site}: {others[0]}" if others else "add a second site")


def acknowledge_names_workloads(draft: Draft) -> Iterator[Finding]:
    if draft.replication is None or draft.workloads is None:
        return
    for workload in draft.replication.acknowledge:
        if workload not in draft.workloads:
            path = ("replication", "acknowledge", workload)
            expected = named(draft.workloads)
            yield Finding(path, f"acknowledge for {workload!r}", expected, "name a declared workload, or remove it")


def acknowledge_near_has_a_near_site(draft: Draft) -> Iterator[Finding]:
    if draft.replication is None or not draft.primary or draft.primary not in (draft.sites or {}):
        return
    for workload, who in draft.replication.acknowledge.items():
        if who == "near" and draft.primary not in draft.replication.near:
            yield Finding(
                ("replication", "acknowledge", workload),
                "near",
                f"a near site for {draft.primary}, which writes first",
                f"add near: {{{draft.primary}: {_other(draft)}}}, or write {workload}: none",
            )


def two_recipients(draft: Draft) -> Iterator[Finding]:
    recipients = draft.replication.encrypt_to if draft.replication else ()
    if recipients and len(set(recipients)) < 2:  # noqa: PLR2004
        yield Finding(
            ("replication", "encrypt_to"),
            f"only {recipients[0]!r}",
            "two recipients in separate custody, so that one lost key loses nothing",
            "add a second recipient",
        )


def recipients_are_not_sites(draft: Draft) -> Iterator[Finding]:
    """Keys of a site are named role@site: nobody else may be named so."""
    for index, name in enumerate(draft.replication.encrypt_to if draft.replication else ()):
        if (site := name.rpartition("@")[2]) in (draft.sites or {}) and "@" in name:
            expected = f"a recipient outside of site {site}, whose keys are named so"
            yield Finding(
                ("replication", "encrypt_to", index), repr(name), expected, "write recovery, or recovery@acme"
            )


def crypto_has_recipients(draft: Draft) -> Iterator[Finding]:
    if draft.replication is None:
        return
    told, recipients = draft.replication.crypto, draft.replication.encrypt_to
    if told == "none" and recipients:
        yield Finding(
            ("replication", "crypto"), "none, with recipients in encrypt_to", "one of the two", "remove crypto: none"
        )
    elif told not in (None, "none") and not recipients:
        yield Finding(
            ("replication", "crypto"),
            f"{told}, with nobody to encrypt to",
            "two recipients in separate custody",
            "add encrypt_to: [recovery, escrow]",
        )


def receipts_are_demanded_once(draft: Draft) -> Iterator[Finding]:
    for kind, levels in (draft.replication.receipts if draft.replication else {}).items():
        if not levels or max(Counter(levels).values()) > 1:
            yield Finding(
                ("replication", "receipts", kind),
                f"[{', '.join(levels)}]",
                "each of stored, decoded, proved at most once, and at least one",
                f"write {kind}: [stored, decoded]",
            )


def links_join_sites(draft: Draft) -> Iterator[Finding]:
    seen: dict[frozenset[str], int] = {}
    for index, link in enumerate(draft.links or ()):
        path = ("links", index, "between")
        one, other = link.between
        if draft.sites is not None and not {one, other} <= draft.sites.keys():
            yield Finding(path, f"[{one}, {other}]", f"two, each {named(draft.sites)}", "name declared sites")
        elif one == other:
            yield Finding(path, f"{one!r} twice", "two sites", "name the other end")
        elif frozenset(link.between) in seen:
            first = seen[frozenset(link.between)]
            yield Finding(
                path, f"the pair of links.{first}", "one link for each pair of sites", "remove one of the two"
            )
        seen.setdefault(frozenset(link.between), index)


def _other(draft: Draft) -> str:
    return next((name for name in draft.sites or () if name != draft.primary), "SITE")


REPLICATION: tuple[Rule, ...] = (
    near_sites_exist,
    acknowledge_names_workloads,
    acknowledge_near_has_a_near_site,
    two_recipients,
    recipients_are_not_sites,
    crypto_has_recipients,
    receipts_are_demanded_once,
    links_join_sites,
)
