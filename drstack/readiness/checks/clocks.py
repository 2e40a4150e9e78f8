"""Clocks that disagree: whose is wrong, by how much, and what that does to what is told of losses.

Judged where facts are gathered (`drstack.recovery.timekeeping`); the witness keeps no time of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import seen, told
from drstack.recovery.status import spell
from drstack.recovery.timekeeping import APART_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts

_SET = "timedatectl set-ntp true"


def clocks(situation: Situation) -> Iterator[Finding]:
    facts = situation.facts
    if facts is None:
        return
    time = facts.time
    if abs(time.offset_s) > APART_S:
        dated = "" if situation.approvals is None else "; an approval that is signed here is dated by the wrong one"
        yield finding(
            "clock-apart",
            f"this machine's clock is {_by(-time.offset_s)} what counts: {time.counts}; losses are told by that time{dated}",
            f"{_SET} (here)", seen("this machine's clock", facts.at),
        )  # fmt: skip
    understates = False
    for site, observed in sorted(facts.sites.items()):
        off_s = time.apart.get(site, 0.0) - time.offset_s
        if observed.clock is None or abs(off_s) <= APART_S:
            continue  # nobody knows what it reads, or its time is the one that counts
        writes = sorted(name for name, each in facts.workloads.items() if each.writer == site)
        understates |= bool(writes) and off_s > 0
        yield finding(
            "loss-understated" if writes and off_s > 0 else "clock-apart",
            f"the clock of {site} is {_by(off_s)} what counts: {time.counts}; {_effect(site, writes, off_s)}",
            f"{_SET} (on a machine of {site})", seen(f"the clock of {site}", facts.at), site=site,
        )  # fmt: skip
    if time.dated_ahead_s and not understates:
        yield _saver(facts)


def _effect(site: str, writes: list[str], off_s: float) -> str:
    if not writes:
        return f"no loss is told wrongly, and what {site} saves once it has taken over will be dated so"
    too = f"told up to {spell(abs(off_s))} too {'small' if off_s > 0 else 'great'}"
    more = "" if off_s > 0 else "; a promotion may be refused for that, and goes on with --failed-at TIME"
    return f"a loss of {', '.join(writes)} is {too}{more}"


def _saver(facts: Facts) -> Finding:
    by = spell(facts.time.dated_ahead_s)
    return finding(
        "loss-understated",
        f"the newest checkpoint is dated {by} later than now, so the clock of who saved it is wrong, and a loss of its "
        f"workload is told up to {by} too small",
        f"{_SET} (on the machine that saves it)", told("the newest checkpoint", facts.at),
    )  # fmt: skip


def _by(seconds: float) -> str:
    return f"{spell(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"
