"""Rules on approvals: they can be signed, they can be had, and nobody looks over their own shoulder."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from drstack.spec.rules.finding import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft

LONGEST_S = 86400.0


def approvals_are_signed(draft: Draft) -> Iterator[Finding]:
    """Without keys anybody who writes to the witness could make them."""
    if draft.approvals is None or not draft.approvals.declared() or draft.replication is None:
        return
    if not draft.replication.encrypted:
        yield Finding(
            ("approvals",), "approvals, in an environment without keys", "keys that sign them",
            "add encrypt_to: [recovery, escrow] under replication, in a new environment; or remove approvals",
        )  # fmt: skip


def enough_people(draft: Draft) -> Iterator[Finding]:
    for kind, quorum in (draft.approvals.declared() if draft.approvals else {}).items():
        twice = [name for name, count in Counter(quorum.of).items() if count > 1]
        if twice:
            yield Finding(("approvals", kind, "of"), f"{twice[0]!r} twice", "each person once", "name somebody else")
        elif quorum.at_least > len(quorum.of):
            yield Finding(
                ("approvals", kind, "at_least"), str(quorum.at_least), f"at most {len(quorum.of)}, as many as are named",
                f"write at_least: {len(quorum.of)}, or name more people",
            )  # fmt: skip


def automatic_promotion_asks_nobody(draft: Draft) -> Iterator[Finding]:
    """Observers have no word that counts as a person's."""
    asked = draft.approvals is not None and draft.approvals.promote is not None
    if asked and draft.promotion is not None and draft.promotion.automatic:
        yield Finding(
            ("promotion", "automatic"), "true, where approvals.promote asks people", "one of the two",
            "write automatic: false, or remove approvals.promote",
        )  # fmt: skip


def approvals_last_a_while(draft: Draft) -> Iterator[Finding]:
    for kind, quorum in (draft.approvals.declared() if draft.approvals else {}).items():
        if not 1 <= quorum.expires <= LONGEST_S:
            yield Finding(
                ("approvals", kind, "expires"), f"{quorum.expires:g} s",
                "from 1s to 1d: whoever approves looks at what stands now", "write expires: 15m",
            )  # fmt: skip


def somebody_else_signs_off(draft: Draft) -> Iterator[Finding]:
    """Who broke the glass does not sign it off."""
    for kind, quorum in (draft.approvals.declared() if draft.approvals else {}).items():
        for index, name in enumerate(quorum.break_glass):
            if not set(quorum.of) - {name}:
                yield Finding(
                    ("approvals", kind, "break_glass", index), repr(name), "somebody else in of, who signs it off",
                    "name another person in of",
                )  # fmt: skip


APPROVALS: tuple[Rule, ...] = (
    approvals_are_signed,
    enough_people,
    automatic_promotion_asks_nobody,
    approvals_last_a_while,
    somebody_else_signs_off,
)
