"""Approvals: could enough people sign, who may go on without, what waits for a word, and what nobody signed off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import seen, told
from drstack.recovery.status import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.approvals import Approvals, Waiting
    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation
    from drstack.recovery.quorum import Quorum


_CALLED = {"promote": "promotion"}
"""A kind of operation, as a noun."""


def approvals(situation: Situation) -> Iterator[Finding]:
    of = situation.approvals
    if of is not None:
        for kind, quorum in of.quorums.items():
            yield from _people(situation, of, kind, quorum)
        for each in of.waiting:
            yield _request(situation, of, each)
    for each in situation.unsigned:
        who: list[str] = each["may"]
        sign = f"drstack approve {situation.environment} --after-the-fact {each['operation']} --as {who[0] if who else 'NAME'}"
        yield finding(
            "glass-unsigned",
            f"operation {each['operation']} ({each['kind']} to {each['target']}) went on WITHOUT APPROVALS by {each['by']} "
            f"{spell(max(0.0, situation.at - each['at']))} ago: {each['reason']}; NOT SIGNED OFF, which "
            f"{' or '.join(who) or 'nobody'} may",
            sign if who else f"name people under approvals.{each['kind']}.of, then: {sign}",
            told(f"break-glass on {situation.witness}", each["at"]),
        )  # fmt: skip


def _people(situation: Situation, of: Approvals, kind: str, quorum: Quorum) -> Iterator[Finding]:
    noun = _CALLED.get(kind, kind)
    named = dict.fromkeys((*quorum.of, *quorum.break_glass))
    lacking = {name: why for name in named if (why := of.lacks[name]) is not None}
    able = [name for name in quorum.of if name not in lacking]
    glass = [name for name in quorum.break_glass if name not in lacking]
    short = len(able) < quorum.at_least
    if lacking:
        whose = ", ".join(f"{name} ({why})" for name, why in lacking.items())
        without = f"only {' or '.join(glass)} may go on without" if glass else "and nobody could break the glass"
        left = f"{len(able)} of the {quorum.at_least} people that a {noun} takes could approve it: {', '.join(able) or 'nobody'}"
        what = f"{left}; {without}" if short else f"a {noun} could be approved by {', '.join(able)} only"
        id_ = "approvers-lacking"
        if short and kind == "promote":
            id_ = "approvers-few" if glass else "approvers-absent"
        first = next(iter(lacking))
        yield finding(
            id_, f"{what}; no key that counts here: {whose}",
            f"drstack keys approver {situation.environment} {first} (each of them, on a machine of theirs), then on this and "
            f"every operator's: drstack keys trust {situation.environment} FILE",
            seen(of.trust, situation.at),
        )  # fmt: skip
    if kind == "promote" and not quorum.break_glass:
        yield finding(
            "glass-nobody", "a promotion waits for its approvals, however long that takes: nobody may break the glass",
            f"name somebody under approvals.promote.break_glass, then: drstack check {situation.environment}",
            seen("the environment file", situation.at),
        )  # fmt: skip


def _request(situation: Situation, of: Approvals, each: Waiting) -> Finding:
    age_s = max(0.0, situation.at - each.at)
    noun = _CALLED.get(each.kind, each.kind)
    asked = f"{noun} to {each.target} (plan {each.hash}), which {each.by} asked for {spell(age_s)} ago,"
    if each.operation is not None:
        asked = f"operation {each.operation}, a {asked}"
    has = f"has {len(each.given)} of {each.at_least} approvals" + (f" ({', '.join(each.given)})" if each.given else "")
    evidence = told(f"approvals on {situation.witness}", each.at)
    if each.enough:
        again = f"drstack fence {situation.environment} {each.target}"
        if each.kind != "fence":
            again = f"drstack {each.kind} {situation.environment} --to {each.target}"
        return finding(
            "approval-waits", f"{asked} {has}, and was not begun: whoever asked runs the same command again",
            f"{again} (with the options that it was asked with)", evidence,
        )  # fmt: skip
    if age_s > of.quorums[each.kind].expires_s and not each.given and each.operation is None:
        return finding(
            "approval-expired", f"{asked} was never begun, and no approval of it counts any more",
            f"drstack approve {situation.environment} --list", evidence,
        )  # fmt: skip
    able = [name for name in each.asked if of.lacks.get(name) is None]
    return finding(
        "approval-waits", f"{asked} {has}; still asked: {', '.join(each.asked) or 'nobody'}",
        f"drstack approve {situation.environment} --hash {each.hash} --as {able[0] if able else 'NAME'}", evidence,
    )  # fmt: skip
