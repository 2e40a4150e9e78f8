"""A plan as people read it: every step is in the tree, the Markdown and the graph, and nothing in it breaks out."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from drstack.recovery import control
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.estimate import estimate, past_durations
from drstack.recovery.plan import Given
from drstack.report import plan as as_text
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.test_interruptions import dying_at

BY = Given(by="test")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, after={"c": ("a", "b")})
    made.save()
    return made


def document(fleet, target="west", given=BY):
    plan = plan_only(fleet.world(), target, given)
    told = {**plan.document(), "estimate": estimate(plan.steps, *past_durations(fleet.witness())).document()}
    return json.loads(json.dumps(told))


def test_every_step_is_in_each_form(fleet):
    told = document(fleet)
    shown = [as_text.tree(told), as_text.markdown(told), as_text.graph(told)]
    assert all(step["id"] in text for step in told["steps"] for text in shown)
    assert shown[0].startswith("Promote e to west\n  a runs at east now, ")
    assert "\n  a: from step 10 in west, " in shown[0]
    assert f"Plan `{told['hash']}`, made on assignment 1." in shown[1]


def test_a_table_row_has_as_many_cells_as_its_head_whatever_the_words(fleet):
    told = document(fleet)
    told["steps"][0]["does"] = "this | that"
    rows = [line for line in as_text.markdown(told).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {7}
    assert len(rows) == 2 + len(told["steps"])


def test_the_graph_is_svg_with_a_box_for_each_step_and_no_arrow_that_another_way_makes_needless(fleet):
    told = document(fleet)
    told["steps"][0]["does"] = "<script>alert(1)</script> & more"
    root = ET.fromstring(as_text.graph(told))
    assert len(root.findall(f".//{SVG}rect")) == len(told["steps"])
    assert root.find(f".//{SVG}script") is None
    arrows = len(root.findall(f"{SVG}path"))
    assert arrows < sum(len(step["after"]) for step in told["steps"])
    boxes = [(box.get("x"), box.get("y")) for box in root.findall(f".//{SVG}rect")]
    assert len(set(boxes)) == len(boxes)


def test_without_a_past_nothing_is_estimated(fleet):
    told = document(fleet)["estimate"]
    assert (told["steps"], told["total_s"], told["operations"]) == ({}, 0.0, 0)
    assert "about" not in as_text.tree(document(fleet))


def test_estimates_are_medians_of_past_operations_along_the_longest_way(fleet):
    promote(fleet.world(), "west", BY)
    fleet.save(step=20, term=2)
    told = document(fleet, "east")
    ended = fleet.witness().journal(1, 1).ended()
    took = {step["id"]: step["seconds"] for step in ended["steps"]}
    assert told["estimate"]["operations"] == 1
    assert told["estimate"]["steps"]["restore a"] == pytest.approx(took["restore a"], abs=1e-3)
    assert told["estimate"]["steps"]["fence west"] == pytest.approx(took["fence east"], abs=1e-3)
    assert told["estimate"]["unknown"] == []
    critical = told["estimate"]["critical"]
    assert critical[-1] == "reconcile"
    assert told["estimate"]["total_s"] == pytest.approx(
        sum(told["estimate"]["steps"][name] for name in critical), abs=1e-3
    )
    assert "by 1 past operations" in as_text.tree(told)


def test_an_estimate_does_not_change_what_is_agreed_to(fleet):
    before = plan_only(fleet.world(), "west", BY)
    assert "estimate" not in before.document()
    assert before.hash() == plan_only(fleet.world(), "west", BY).hash()


def test_what_is_left_out_is_not_taken_for_quick(fleet):
    with dying_at("prove"):
        promote(fleet.world(), "west", BY)
    control.skip(fleet.witness(), "prove a", by="other", reason="hurry", at=1.0)
    promote(fleet.world(), "west", BY)
    durations, operations = past_durations(fleet.witness())
    assert operations == 1
    assert "prove a" not in durations
    assert {"prove b", "restore a"} <= set(durations)
