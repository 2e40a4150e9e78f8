"""Rules on drills: a schedule with a period, at a site that is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.spec.rules.finding import Finding, Rule, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft

_LEAST_S = 60.0


def drills_have_a_period(draft: Draft) -> Iterator[Finding]:
    if draft.drills is not None and draft.drills.every < _LEAST_S:
        yield Finding(("drills", "every"), f"{draft.drills.every:g} s", "at least 1m", "write every: 30d")


def drills_are_at_a_site(draft: Draft) -> Iterator[Finding]:
    if draft.drills is None or draft.drills.site is None or not draft.sites:
        return
    if draft.drills.site not in draft.sites:
        yield Finding(
            ("drills", "site"), repr(draft.drills.site), named(draft.sites), "remove site: any standby counts"
        )


DRILLS: tuple[Rule, ...] = (drills_have_a_period, drills_are_at_a_site)
