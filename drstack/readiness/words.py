"""A judgement in words: the sentence that an operator wants first, and findings with their next command. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.finding import counts
from drstack.recovery.status import status

if TYPE_CHECKING:
    from drstack.readiness.back import Back
    from drstack.readiness.judge import Readiness, WorkloadReadiness
    from drstack.readiness.looking import Looked


def back_in_words(back: Back) -> str:
    """`back in 47 ± 8 s`, as far as it is known."""
    about = "at least " if back.unknown else ""
    unit, divisor = ("s", 1) if back.seconds < 120 else ("min", 60) if back.seconds < 7200 else ("h", 3600)  # noqa: PLR2004
    digits = 1 if unit == "h" or back.seconds < 10 else 0  # noqa: PLR2004
    more = "" if back.spread_s is None else f" ± {back.spread_s / divisor:.{digits}f}"
    return f"back in {about}{back.seconds / divisor:.{digits}f}{more} {unit}"


def outlook(each: WorkloadReadiness) -> tuple[str, str | None]:
    """Where and when it would be back, and what that is limited by."""
    if each.best is None:
        return "no other site could take over", None
    standby = each.standbys[each.best]
    if standby.time is None:
        return f"when it is back nobody knows: {standby.untimed}", standby.limited_by
    return f"{back_in_words(standby.time)} at {each.best}", standby.limited_by


def sentences(looked: Looked) -> dict[str, str]:
    """Per workload, as `drstack status` opens with it; none where nothing could be looked at."""
    if looked.world is None or looked.facts is None:
        return {}
    back = {name: outlook(each) for name, each in looked.readiness.workloads.items()}
    told = status(looked.world.environment, looked.facts, looked.world.needs, None, back)
    return {name: each["sentence"] for name, each in told["workloads"].items()}


def headline(readiness: Readiness) -> str:
    told = ", ".join(f"{n} {severity}" for severity, n in counts(readiness.findings).items() if n)
    verdict = "" if readiness.ready else "NOT READY; "
    return f"Readiness {readiness.score} of 100: {verdict}{told or 'nothing found'}."


def lines(readiness: Readiness) -> list[str]:
    shown = [headline(readiness)]
    for each in readiness.findings:
        shown.append(f"  {each.severity.upper():<8} {each.id}: {each.what}")
        shown.append(f"           next: {each.remedy}")
    return shown
