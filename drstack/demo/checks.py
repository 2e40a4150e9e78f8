"""What must hold at the end of a demo: a pure judgement of its document. Each check has the name that errors give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLOSE_S = 0.05


def failures(document: Mapping[str, Any]) -> list[str]:
    """One sentence for every check that does not hold; it begins with the check's name."""
    found: list[str] = []

    def check(name: str, holds: object, why: str) -> None:
        if not holds:
            found.append(f"{name}: {why}")

    d = document
    rehearsed = d.get("crypto", "none") == "none" or d["rehearsal"]
    check("keys", rehearsed, "no recipient restored anything before the disaster: nobody knows that the keys work")
    check("promote", d["promoted"] and d["writer"] != d["lost_site"], f"{d['writer']} writes after the promotion")
    check("term", d["term"] > 1, f"the term is still {d['term']}")
    check("restore", d["resumed_step"] is not None, "the run did not resume")
    check("restore", (d["resumed_step"] or 0) <= d["killed_at_step"], "it resumed from a step later than the failure")
    check("prove", d["last_step"] > (d["resumed_step"] or 0), "no step was made past the recovery point")
    check("torn", d["torn_checkpoints_offered"] > 0, "no torn checkpoint was there: the test shows nothing")
    check("torn", d["torn_checkpoints_seen"] == 0, f"{d['torn_checkpoints_seen']} torn checkpoints were accepted")
    check("seal", d["zombie_commits_offered"] > 0, "the dead site offered nothing: the test shows nothing")
    check(
        "seal",
        d["zombie_commits_accepted"] == 0,
        f"{d['zombie_commits_accepted']} commits of the dead site were accepted",
    )
    check("reference", d["reference_steps_compared"] > 0, "no step was compared with the uninterrupted run")
    check(
        "reference", d["reference_match"],
        f"the resumed run differs from the uninterrupted one at step {d['reference_first_difference']}",
    )  # fmt: skip
    home = d["home"]
    check(
        "home", home["writer"] == d["lost_site"] and home["result"] == "switched over", f"it ended as {home['result']}"
    )
    check("home", home["steps_left"] > 0, "no operator was killed in between: the test shows nothing")
    check("home", home["rpo_s"] == 0, f"{home['rpo_s']} s of work were lost on the way home")
    check(
        "home", home["resumed_step"] == home["stopped_step"],
        f"stopped after step {home['stopped_step']}, and resumed from {home['resumed_step']}",
    )  # fmt: skip
    check("home", home["last_step"] > home["resumed_step"], "no step was made at home")
    asked = d["requests"]
    if asked is not None:
        check("requests", asked["sent"] > 0, "no request was sent: the count shows nothing")
        check("requests", d["answered_by"].get(d["writer"]), f"{d['writer']} answered no request after the promotion")
        retried = d["strategy"] == "active-active"
        check(
            "requests",
            not (retried and asked["failed"]),
            f"{asked['failed']} requests of a client that retries were lost",
        )
    check("objectives", d["objectives_met"], f"RPO {d['rpo_s']:.1f} s, RTO {d['rto_s']:.1f} s: an objective was missed")
    up_to_start = sum(p["seconds"] for p in d["phases"][: [p["name"] for p in d["phases"]].index("start") + 1])
    check("phases", abs(up_to_start - d["rto_s"]) < _CLOSE_S, f"phases add up to {up_to_start:.3f} s, not to the RTO")
    return found
