"""The pages of one operation and of an environment: what they must show, and that nothing in them is markup of others."""

from __future__ import annotations

import copy
from xml.etree import ElementTree as ET

import pytest

from drstack.recovery.dossier import dossier
from drstack.recovery.history import Past, Recovered, document
from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.report.environment import environment_page
from drstack.report.operation import operation_page
from drstack.report.timeline import timeline
from drstack.report.trend import trend
from replicator.log.records import Record
from tests.drstack.report.outline import Outline, fetches_nothing

AT = 1_760_000_000.0
HOSTILE = "<script>x</script>\"'><img src=x onerror=y> `|`"


def records(name="gpt", site="east", why="no GPU"):
    """A promotion in which a start failed once, was made again by somebody else, and a proof was left out."""
    steps = [
        {"id": f"fence {site}", "act": "fence", "subject": site, "at": "", "after": [], "does": f"stop {site}"},
        {"id": f"start {name}", "act": "start", "subject": name, "at": "west", "after": [f"fence {site}"], "does": "start"},
        {"id": f"prove {name}", "act": "prove", "subject": name, "at": "west", "after": [f"start {name}"], "does": "see"},
    ]  # fmt: skip
    plan = {
        "environment": "e", "kind": "promote", "target": "west", "by": "ada", "reason": why, "base": 1, "hash": "ab12",
        "steps": steps,
        "began_at": AT, "planned_at": AT + 1, "failed_at": AT - 5, "consents": [["data-loss", "900"]],
        "workloads": [{"name": name, "writer": site, "rpo_s": 60.0, "rto_s": 60.0}],
    }  # fmt: skip
    end = {
        "result": "promoted", "number": 2, "rto_s": 25.0, "phases": [{"name": "start", "seconds": 20.0}],
        "fences": [{"site": site, "grade": "assumed", "proof": why}],
        "workloads": [{
            "name": name, "step": 10, "rpo_s": 90.0, "rto_s": 25.0, "rpo_objective_s": 60.0, "rto_objective_s": 60.0,
            "void": [{"commit": "1.4", "step": 20, "repository": site, "reason": why}], "made_with": why,
        }],
    }  # fmt: skip
    fence = {"fence": {"site": site, "grade": "assumed", "done": "nothing", "proof": why}}
    told = [
        ("plan", AT + 1, plan), ("intent", AT + 1, {"step": f"fence {site}", "at": AT + 1, "by": "ada"}),
        ("outcome", AT + 6, {"step": f"fence {site}", "began_at": AT + 1, "ended_at": AT + 6, "result": fence, "detail": why}),
        ("intent", AT + 6, {"step": f"start {name}", "at": AT + 6, "by": "ada"}),
        ("failure", AT + 10, {"step": f"start {name}", "at": AT + 10, "why": why}),
        ("pause", AT + 11, {"by": "grace", "reason": why}), ("resume", AT + 12, {"by": "grace"}),
        ("intent", AT + 14, {"step": f"start {name}", "at": AT + 14, "by": "grace"}),
        ("outcome", AT + 20, {"step": f"start {name}", "began_at": AT + 14, "ended_at": AT + 20, "result": {"first_step": 11}}),
        ("outcome", AT + 21, {"step": f"prove {name}", "began_at": AT + 21, "ended_at": AT + 21, "skipped": why, "by": "grace"}),
        ("end", AT + 22, end),
    ]  # fmt: skip
    return [Record(n, None, "t", kind, at, body, f"{n:064d}") for n, (kind, at, body) in enumerate(told, 1)]


def told(**changed):
    return dossier("e", "1-1", records(**changed), "promote", {"start gpt": 4.0, "fence east": 9.0})


def past(number, rto_s=10.0, kind="promote", name="gpt"):
    one = Recovered(name, 5.0, 60.0, rto_s, 30.0)
    return Past(
        f"{number}-1", "west", AT + number, "promoted", "", {"east": "proven"}, {"start": 9.0}, (one,), kind=kind, by="ada",
        utilisation={"side_by_side": 1.5, "waiting_share": 0.5}, waited={"a fence": 5.0},
    )  # fmt: skip


def test_one_operation_shows_what_was_missed_before_all_else():
    shown = Outline(as_html(operation_page(told())))
    text = shown.text
    assert text.index("Promotion to west: promoted") < text.index("Attention") < text.index("Timeline")
    for words in (
        "gpt lost 90 s; the objective is 60 s.", "The fence of east is assumed, not proven: no GPU.", "✕ 90 s", "✓ 25 s",
        "9 s (-4 s)", "4 s (+2 s)", "data-loss", "900", "left out: prove gpt", "done later", "grace", "1.4", "paused for 1 s",
        "a person: 8 s", "ab12",
    ):  # fmt: skip
        assert words in text, words


def test_the_same_is_in_the_markdown():
    text = as_markdown(operation_page(told()))
    for words in (
        "gpt lost 90 s",
        "9 s (-4 s)",
        "| `start gpt` | start | +14 s | 6 s | 4 s (+2 s) | 2 | grace | done |",
    ):
        assert words in text
    assert "█" in text
    assert "x" in next(line for line in text.splitlines() if line.startswith("start gpt"))


def test_pages_are_one_file_and_hostile_names_stay_text():
    hostile = dossier(HOSTILE, "1-1", records(HOSTILE, HOSTILE, HOSTILE), HOSTILE, {f"start {HOSTILE}": 4.0})
    page = as_html(operation_page(hostile))
    shown = Outline(page)
    assert fetches_nothing(page)
    assert {tag for tag, _ in shown.seen} == {tag for tag, _ in Outline(as_html(operation_page(told()))).seen}
    assert not [attrs for _, attrs in shown.seen if "onerror" in attrs]
    assert "".join(shown.words).count(HOSTILE) > 10
    hostile = document(HOSTILE, [past(1, kind=HOSTILE, name=HOSTILE)])
    page = as_html(environment_page(hostile, made_at=AT))
    assert fetches_nothing(page)
    assert not {"script", "img"} & {tag for tag, _ in Outline(page).seen}


def test_pictures_are_well_formed_and_have_a_bar_for_every_try():
    picture = timeline(told())
    root = ET.fromstring(picture.svg)
    assert len(root.findall("rect")) == 4
    assert [each.find("title").text for each in root.findall("rect")][1] == "start gpt: failed (no GPU)"
    assert "tries that failed: 1" in picture.alt
    one = document("e", [past(1), past(2, 31.0)])["operations"]
    root = ET.fromstring(trend(one, "rto_s", "Back <after>").svg)
    assert [("stroke" in each.attrib) for each in root.findall("circle")] == [False, True]


def test_an_attempt_without_an_end_is_drawn_open():
    every = records()[:4]
    open_one = dossier("e", "1-1", every, "promote", {})
    bars = ET.fromstring(timeline(open_one).svg).findall("rect")
    assert "stroke-dasharray" in bars[-1].attrib
    assert "It did not do what it was begun for: not ended yet; " in Outline(as_html(operation_page(open_one))).text


def test_nothing_begun_is_said():
    assert timeline(dossier("e", "1-1", records()[:1], "promote", {})) is None
    text = Outline(as_html(operation_page(dossier("e", "1-1", records()[:1], "promote", {})))).text
    assert "No step was begun." in text


def test_a_plan_of_a_kind_that_nobody_knows_is_told_by_its_own_word():
    [first, *_] = records()
    bare = Record(1, None, "t", "plan", AT, {"kind": "rehearsal", "by": "ada"}, first.digest)
    text = Outline(as_html(operation_page(dossier("e", "1-1", [bare], "rehearsal", {})))).text
    assert "Rehearsal: unfinished" in text


def test_an_environment_tells_each_kind_apart_and_what_was_waited_for():
    told = document("e", [past(1), past(2, 31.0), past(3, kind="drill")])
    shown = Outline(as_html(environment_page(told, made_at=AT)))
    for words in (
        "within objectives: 1 of 1 by drill, 1 of 2 by promotion",
        "Drill",
        "a fence: 15 s",
        "--operation 3-1",
    ):
        assert words in shown.text, words
    assert [tag for tag, _ in shown.seen].count("svg") == 2
    assert "2-1" in as_markdown(environment_page(document("e", [past(2)]), made_at=AT))


def test_glass_that_was_broken_is_shown_until_it_is_signed_off():
    told = document("e", [past(1)])
    glass = {"operation": "1-1", "by": "alice", "reason": "nobody <answers>", "signed_off": None}
    told["break_glass"] = [glass, {**glass, "operation": "2-1", "signed_off": {"by": "bob", "at": AT}}]
    text = Outline(as_html(environment_page(told, made_at=AT))).text
    assert "Operation 1-1 went on without approvals, by alice (nobody <answers>); not signed off." in text
    assert "Operation 2-1" not in text


def test_an_environment_without_operations_says_so():
    assert "has had no operation yet" in Outline(as_html(environment_page(document("e", []), made_at=AT))).text


@pytest.mark.parametrize("result", ["aborted", "superseded", "unfinished"])
def test_what_did_not_go_well_is_marked(result):
    every = document("e", [past(1)])
    every["operations"][0] |= {"result": result, "went_well": False}
    assert f"✕ {result}" in Outline(as_html(environment_page(copy.deepcopy(every), made_at=AT))).text
