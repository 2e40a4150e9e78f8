"""The report of one operation: what was wanted, what happened step by step, what was lost, and how all that is known.

Pure; from the document of one operation (`drstack.recovery.dossier`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drstack.recovery.objectives import lost
from drstack.report.blocks import Attention, Block, Heading, Line, Mark, Mono, Page, Paragraph, Table, Tiles
from drstack.report.durations import spoken
from drstack.report.timeline import timeline

Doc = dict[str, Any]
NAMES = {
    "promote": "Promotion", "switchover": "Switchover", "failback": "Failback", "drill": "Drill", "fence": "Fence",
    "keys": "Change of keys", "abort": "New term after an abort",
}  # fmt: skip
"""What kinds of operations are called; others are called by their own word."""
_UNWELL = ("unfinished", "abandoned", "superseded", "aborted", "failed")


def operation_page(told: Doc) -> Page:
    picture = timeline(told)
    blocks: list[Block] = [
        Attention(tuple(_warnings(told))),
        Tiles(tuple(_tiles(told))),
        Paragraph(_who(told)),
        Heading("Timeline"),
        picture or Paragraph("No step was begun."),
        *_steps(told), *_waits(told), *_loss(told), *_fences(told), *_consents(told), *_failures(told), *_records(told),
        *_evidence(told),
    ]  # fmt: skip
    eyebrow = f"Operation {told['operation']} of {told['environment']} · {moment(told['began_at'])}"
    return Page(_title(told), eyebrow, tuple(blocks))


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def named(kind: str) -> str:
    return NAMES.get(kind, kind[:1].upper() + kind[1:])


def stands(told: Doc) -> str:
    """What became of the work of an operation that did not come to its end, of the document of an operation or of many."""
    writers = ", ".join(told["writers"]) or "who wrote it"
    if told["result"] == "unfinished":
        return (
            f"not ended yet; {told['target']} writes it"
            if told["moved"]
            else f"not ended yet; {writers} writes it still"
        )
    if told["result"] in _UNWELL:
        stayed = f"{told['target']} had become the writer" if told["moved"] else f"it stayed with {writers}"
        return f"{told['result']}; {stayed}"
    return "not measured"


def _title(told: Doc) -> str:
    to = f" to {told['target']}" if told["target"] else ""
    away = "stood still for" if told["kind"] in ("switchover", "failback") else "back after"
    since = " from when it began" if told["rto_is_bound"] else ""
    back = f", {away} {spoken(told['rto_s'])}{since}" if told["rto_s"] is not None else ""
    why = f": {told['why']}" if told["why"] else ""
    return f"{named(told['kind'])}{to}: {told['result']}{back}{why}"


def _warnings(told: Doc) -> list[Line]:
    found: list[Line] = []
    if told["result"] in _UNWELL:
        found.append(f"It did not do what it was begun for: {stands(told)}.")
    for each in told["workloads"]:
        for name, value in (("rpo", "lost"), ("rto", "was away")):
            got, goal = each.get(f"{name}_s"), each.get(f"{name}_objective_s")
            if got is not None and goal is not None and got > goal:
                said = "; whether that was met is not known" if name == "rpo" and each.get("rpo_is_bound") else ""
                found.append(
                    f"{each['name']} {value} {_amount(each, name, told)}; the objective is {spoken(goal)}{said}."
                )
    if told["rto_is_bound"]:
        found.append(
            "When the writer failed was not told (--failed-at): what was lost is a bound, and times count from when the "
            "promotion began."
        )
    standing = {each["site"]: each for each in told["fences"]}
    found += [
        f"The fence of {site} is {each['grade']}, not proven: {each['proof']}."
        for site, each in standing.items()
        if each["grade"] != "proven"
    ]
    left = [each for each in told["failures"] if each["then"] == "not done"]
    return [*found, *(f"{each['step']} failed and was not done: {each['why']}" for each in left)]


def _tiles(told: Doc) -> list[tuple[str, str, Line]]:
    rpos = [each["rpo_s"] for each in told["workloads"] if each.get("rpo_s") is not None]
    verdicts = {lost(each["rpo_s"], each["rpo_objective_s"], is_bound=each.get("rpo_is_bound", False))
                for each in told["workloads"] if each.get("rpo_s") is not None}  # fmt: skip
    words = {"met": "met", "missed": "missed", "unknown": "not known to be met"}
    goals = [each["rto_objective_s"] for each in told["workloads"] if each.get("rto_objective_s") is not None]
    found: list[tuple[str, str, Line]] = []
    if rpos:
        verdict = next(each for each in ("missed", "unknown", "met") if each in verdicts)
        title = "RPO: work lost, at most" if told["rto_is_bound"] else "RPO: work lost, at worst"
        found.append((title, spoken(max(rpos)), Mark(words[verdict], verdict == "met")))
    if told["rto_s"] is not None and goals:
        good = told["rto_s"] <= min(goals)
        since = ", since promote began" if told["rto_is_bound"] else ""
        found.append(
            (f"RTO: until the last workload ran{since}", spoken(told["rto_s"]), Mark("met" if good else "missed", good))
        )
    spent = told["utilisation"]
    if spent and spent["side_by_side"] is not None:
        busy = f"{spoken(spent['busy_s'])} of steps in {spoken(spent['elapsed_s'])}"
        still = f"nothing ran for {spoken(spent['idle_s'])}; paused for {spoken(spent['paused_s'])}"
        found += [
            ("Steps side by side", f"{spent['side_by_side']:.2f}", f"at most {spent['most_at_once']}; {busy}"),
            ("Share of the time that was waiting", f"{spent['waiting_share']:.0%}", still),
        ]
    return found


def _who(told: Doc) -> Line:
    others = sorted({step["by"] for step in told["steps"] if step["by"]} - {told["by"]})
    ended = f"Ended {moment(told['ended_at'])}." if told["ended_at"] else "It has not ended."
    also = f" Steps were carried out by {', '.join(others)} too." if others else ""
    reason = f" ({told['reason']})" if told["reason"] else ""
    begun = f"Begun {moment(told['began_at'])} by {told['by']}{reason}. {ended}{also}"
    return (f"{begun} Trace ", Mono(told["trace_id"]), ".")


def _steps(told: Doc) -> list[Block]:
    zero = told["began_at"]
    rows: list[tuple[Line, ...]] = [
        (
            Mono(step["id"]), step["does"], f"+{spoken(step['began_at'] - zero)}" if step["began_at"] is not None else "",
            spoken(step["seconds"]) if step["seconds"] is not None else "", _beside(step), str(len(step["attempts"])), step["by"],
            f"{step['state']}: {step['detail']}" if step["detail"] else step["state"],
        )
        for step in told["steps"]
    ]  # fmt: skip
    head = ("Step", "What it does", "Began", "Took", "Against its estimate", "Tries", "By", "Outcome")
    return [Heading("Steps"), Table(head, tuple(rows), (2, 3, 4, 5))] if rows else []


def _beside(step: Doc) -> str:
    guess, took = step["estimate_s"], step["seconds"]
    if guess is None:
        return "none known"
    if took is None:
        return spoken(guess)
    return f"{spoken(guess)} ({'+' if took >= guess else '-'}{spoken(abs(took - guess))})"


def _waits(told: Doc) -> list[Block]:
    if not told["critical"]:
        return []
    rows = tuple(
        (
            Mono(each["step"]), Mono(each["after"]), spoken(each["gap_s"]) + (f" ({each['gap_for']})" if each["gap_for"] else ""),
            spoken(each["seconds"]), ", ".join(each["for"]) or "nothing: it worked",
        )
        for each in told["critical"]
    )  # fmt: skip
    summed = "; ".join(f"{what}: {spoken(seconds)}" for what, seconds in told["waited"].items()) or "nothing"
    return [
        Heading("What was waited for"),
        Paragraph(f"On the way to the last first step: {summed}."),
        Table(("Step", "Began after", "Stood before it began", "Took", "Waited for"), rows, (2, 3)),
    ]


def _loss(told: Doc) -> list[Block]:
    rows = tuple(
        (
            str(each["name"]),
            f"step {each['step']}" if each.get("step") is not None else "",
            *_kept(each, "rpo", told),
            *_kept(each, "rto", told),
            str(each.get("made_with") or ""),
        )
        for each in told["workloads"]
    )
    void = tuple(
        (each["name"], Mono(one["commit"]), f"step {one['step']}", one["repository"], one["reason"])
        for each in told["workloads"]
        for one in each.get("void") or ()
    )
    head = ("Workload", "From", "Lost", "Objective", "Back after", "Objective", "Made with")
    lost = Table(head, rows, (2, 3, 4, 5)) if rows else Paragraph("No workload was moved.")
    blocks: list[Block] = [Heading("Loss, and time until the work was back"), lost]
    if void:
        blocks += [Paragraph("Void from then on:"), Table(("Workload", "Checkpoint", "Of", "In", "Why"), void)]
    return blocks


def _kept(each: Doc, name: str, told: Doc) -> tuple[Line, Line]:
    got, goal = each.get(f"{name}_s"), each.get(f"{name}_objective_s")
    beside = "" if goal is None else spoken(goal)
    if got is None:
        return "not measured", beside
    said = _amount(each, name, told)
    return (Mark(said, got <= goal) if goal is not None else said), beside


def _amount(each: Doc, name: str, told: Doc) -> str:
    """A loss or a time, with what it bounds where it was not known when the writer failed."""
    if name == "rpo":
        return ("at most " if each.get("rpo_is_bound") else "") + spoken(each["rpo_s"])
    return ("at least " if told["rto_is_bound"] else "") + spoken(each["rto_s"])


def _fences(told: Doc) -> list[Block]:
    rows = tuple(
        (each["site"], Mark(each["grade"], each["grade"] == "proven"), moment(each["at"]), each["done"], each["proof"])
        for each in told["fences"]
    )
    head = ("Site", "Grade", "At", "What was done", "What proved it, or kept it from that")
    return [Heading("Fences"), Table(head, rows)] if rows else []


def _consents(told: Doc) -> list[Block]:
    rows = tuple(
        (each["consent"], each["value"], str(each["by"] or ""), str(each["reason"] or "")) for each in told["consents"]
    )
    return [Heading("Consents"), Table(("Consent", "To", "By", "Why"), rows) if rows else Paragraph("None was needed.")]


def _failures(told: Doc) -> list[Block]:
    rows = tuple(
        (Mono(str(each["step"])), moment(each["at"]), str(each["why"]), each["then"]) for each in told["failures"]
    )
    return [Heading("Failures"), Table(("Step", "At", "Why", "Then"), rows) if rows else Paragraph("No step failed.")]


def _records(told: Doc) -> list[Block]:
    rows = tuple(
        (each["kind"], moment(each["at"]), str(each["by"] or ""), str(each["reason"] or ""), each["told"])
        for each in told["records"]
    )
    return [Heading("What else was recorded"), Table(("Record", "At", "By", "Why", "What"), rows)] if rows else []


def _evidence(told: Doc) -> list[Block]:
    known = told["evidence"]
    facts: list[tuple[Line, ...]] = [
        ("plan", Mono(str(told["hash"]))),
        ("planned on assignment", str(known["planned_on"])),
        ("assignment made", str(known["assignment"] or "none")),
        ("records in its journal", str(known["records"])),
        ("digest of the last, which links all before it", Mono(known["last_record"])),
    ]
    facts += [
        (f"seal of {each['workload']}", (f"{each['repository']}, slot {each['slot']}, ", Mono(each["digest"])))
        for each in sorted(known["seals"], key=lambda one: (one["workload"], one["repository"]))
    ]
    facts += [(f"restored {each['workload']}", _restored(each)) for each in known["restored"]]
    return [Heading("Evidence"), Table(("What", "It says"), tuple(facts))]


def _restored(each: Doc) -> str:
    what = f"commit {'.'.join(map(str, each['commit']))} of step {each['step']} from {each['source']}"
    return f"{what}: files: {each['files']}; {each['size_bytes'] or 0:,} bytes, every digest checked"
