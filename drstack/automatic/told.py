"""What an operator is told: whether anything is done without a person, who sees what, and what holds it off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.automatic.past import Past
from drstack.automatic.records import Holds, Observations, Repairs
from drstack.recovery.operation import unfinished
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.automatic.policy import Policy
    from drstack.automatic.records import Spoken
    from drstack.witness.witness import Witness

Doc = dict[str, Any]


def describe(witness: Witness, policy: Policy) -> Doc:
    """The document of `drstack automatic --json`; docs/cli.md names its fields. WitnessUnreachable, WitnessUnsound."""
    now, held = witness.now(), Holds(witness).standing()
    spoken = {name: Observations(witness, name).last() for name in policy.observers}
    current = witness.current()
    writers = sorted({each.writer for each in current.workloads.values()}) if current is not None else []
    repairs = [repair for site in writers for repair in Repairs(witness, site).every()]
    return {
        "automatic": policy.automatic,
        "to": policy.to,
        "held": held,
        "observers": {name: _observer(each, now) for name, each in spoken.items()},
        "sites": partitions(spoken, now),
        "promotions_in_period": sum(age_s < policy.period_s for age_s in Past(witness).ages_s(now)),
        "once_in_s": policy.period_s,
        "repairs": [
            {"site": each.site, "remedy": each.remedy, "workload": each.workload or None, "by": each.by, "at": each.at,
             "reason": each.reason, "result": each.result}
            for each in repairs[-10:]
        ],
    }  # fmt: skip


def _observer(spoken: Spoken | None, now: float) -> Doc | None:
    if spoken is None:
        return None
    word, age_s = spoken.word, now - spoken.at
    return {
        "age_s": age_s, "fresh": age_s <= word.promised_s, "place": word.place, "at": word.at, "act": word.act,
        "reason": word.reason, "busy": word.busy, "assignment": word.sight.assignment,
        "sees": {
            site: {"reachable": seen.reachable, "why": seen.why, "for_s": seen.for_s, "repository": seen.repository}
            for site, seen in word.sight.sites.items()
        },
    }  # fmt: skip


def partitions(spoken: Mapping[str, Spoken | None], now: float) -> Doc:
    """Per site, `seen`, `lost` or `partition` (some see it, some do not), by those who were heard lately."""
    found: Doc = {}
    for each in spoken.values():
        if each is not None and now - each.at <= each.word.promised_s:
            for site, seen in each.word.sight.sites.items():
                found.setdefault(site, set()).add(seen.reachable)
    return {
        site: "partition" if len(seen) > 1 else "seen" if True in seen else "lost"
        for site, seen in sorted(found.items())
    }


def stop_running(witness: Witness, *, by: str, reason: str) -> None:
    """Pause the operation that an observer began, if one has not ended."""
    journal = unfinished(witness)
    if journal is not None and (running := Past(witness).running({})) is not None and running.by is not None:
        journal.pause(by=by, reason=reason)


def render(told: Doc) -> str:
    """For people."""
    state = "on" if told["automatic"] else "OFF"
    made = f"{told['promotions_in_period']} in the last {format_duration(told['once_in_s'])}, one is allowed"
    lines = [f"Automatic promotion is {state}, to {told['to']}; {made}."]
    if told["held"] is not None:
        lines.append(f"HELD OFF by {told['held']['by']}: {told['held']['reason']}")
    for name, each in told["observers"].items():
        if each is None:
            lines.append(f"{name:<12} was never heard")
            continue
        sees = ", ".join(f"{site} {_seen(seen)}" for site, seen in each["sees"].items())
        state = f"{each['age_s']:.0f} s ago" if each["fresh"] else f"SILENT for {each['age_s']:.0f} s"
        lines.append(f"{name:<12} {state}: {sees}; {each['act']}: {each['reason']}")
    lines += [
        f"{' and '.join(names)} run on one machine, {place}: they fail together" for place, names in _shared(told)
    ]
    lines += [
        f"{site} is seen by some and not by others: a partition"
        for site, how in told["sites"].items()
        if how == "partition"
    ]
    lines += [
        f"repaired {each['site']}: {each['remedy']} {each['workload'] or ''}: {each['result'] or 'no end is known'}"
        for each in told["repairs"]
    ]
    return "\n".join(lines) + "\n"


def _shared(told: Doc) -> list[tuple[str, list[str]]]:
    """Machines on which more than one observer runs."""
    places: dict[str, list[str]] = {}
    for name, each in told["observers"].items():
        if each is not None and each["fresh"] and each["place"]:
            places.setdefault(each["place"], []).append(name)
    return [(place, names) for place, names in sorted(places.items()) if len(names) > 1]


def _seen(seen: Doc) -> str:
    return "in sight" if seen["reachable"] else f"OUT OF SIGHT for {seen['for_s']:.0f} s ({seen['why']})"
