"""Rules on promotion: an automatic one needs leases that end by themselves, and two observers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.spec.rules.finding import Finding, Rule, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft


def automatic_is_safe(draft: Draft) -> Iterator[Finding]:
    if draft.promotion is None or not draft.promotion.automatic:
        return
    if not draft.leases_declared:
        yield Finding(
            ("promotion", "automatic"), "true", "leases, to fence a writer out of sight", "add leases: {ttl: 60s}"
        )
    if len(set(draft.promotion.observers)) < 2:  # noqa: PLR2004
        yield Finding(
            ("promotion", "observers"),
            f"[{', '.join(draft.promotion.observers)}]",
            "two observers, as one cannot tell a dead site from its own lost path",
            "write observers: [probe-1, probe-2]",
        )


def automatic_needs_nobody(draft: Draft) -> Iterator[Finding]:
    if draft.promotion is None or not draft.promotion.automatic or draft.approvals is None:
        return
    if draft.approvals.promote is not None:
        yield Finding(
            ("promotion", "automatic"),
            "true, and approvals for a promotion",
            "one of the two",
            "remove approvals.promote",
        )


def automatic_has_a_target(draft: Draft) -> Iterator[Finding]:
    if draft.promotion is None or not draft.promotion.automatic or draft.sites is None:
        return
    others = [name for name in draft.sites if name != draft.primary]
    to = draft.promotion.to
    if to is None and len(others) > 1:
        yield Finding(("promotion", "automatic"), "true", f"`to`, {named(others)}", f"add to: {others[0]}")
    elif to is not None and to not in others:
        yield Finding(
            ("promotion", "to"), repr(to), f"{named(others)}, which is not the primary", f"write to: {others[0]}"
        )


def automatic_is_damped(draft: Draft) -> Iterator[Finding]:
    if draft.promotion is None or not draft.promotion.automatic:
        return
    if draft.promotion.after <= 0:
        yield Finding(
            ("promotion", "after"), "0", "some time, so that a short loss of sight does nothing", "write after: 60s"
        )
    if draft.promotion.once_in < draft.promotion.after:
        yield Finding(
            ("promotion", "once_in"), f"{draft.promotion.once_in:g} s", "longer than `after`", "write once_in: 24h"
        )


def leases_outlive_a_renewal(draft: Draft) -> Iterator[Finding]:
    if draft.leases is None:
        return
    if draft.leases.ttl < 1:
        yield Finding(("leases", "ttl"), f"{draft.leases.ttl:g} s", "at least 1s", "write ttl: 60s")
    elif draft.leases.renew is not None and not 0 < draft.leases.renew <= draft.leases.ttl / 2:
        yield Finding(
            ("leases", "renew"), f"{draft.leases.renew:g} s", "more than 0 and at most half of ttl", "remove renew"
        )
    elif draft.leases.pause_s > draft.leases.ttl / 4 or draft.leases.pause_s <= 0:
        yield Finding(
            ("leases", "pause"),
            f"{draft.leases.pause_s:g} s",
            "more than 0 and at most a quarter of ttl",
            "remove pause",
        )
    elif draft.leases.drift_s > draft.leases.ttl or draft.leases.drift_s <= 0:
        yield Finding(("leases", "drift"), f"{draft.leases.drift_s:g} s", "more than 0 and at most ttl", "remove drift")


PROMOTION: tuple[Rule, ...] = (
    automatic_is_safe,
    automatic_needs_nobody,
    automatic_has_a_target,
    automatic_is_damped,
    leases_outlive_a_renewal,
)
