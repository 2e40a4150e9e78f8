"""A runbook says what would be carried out, from the planner itself: it changes with the plan, and with nothing else."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drstack.errors import EnvironmentUnknown
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.estimate import estimate
from drstack.recovery.plan import Given
from drstack.recovery.promote import Promotion
from drstack.recovery.steps import Step
from drstack.recovery.switchover import Switchover
from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.runbook import lost
from drstack.runbook.book import Extra
from drstack.runbook.book import book as made
from drstack.runbook.gather import written
from drstack.runbook.remedies import REMEDIES, remedy
from drstack.runbook.stale import about, differences
from drstack.spec import parse_environment
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.report.outline import Outline, fetches_nothing

DECLARED = """\
environment: e
strategy: active-passive
witness: file:witness
state: file:state
sites:
{sites}
workloads:
{workloads}
{more}
"""
CONTACTS = """\
contacts:
  - {name: "Ada <b>", phone: "+49 30 123456", when: at any hour}
  - {name: Head of research, email: head@example.org, after: 15m}
"""


def declared(fleet, more="", names=None, places=None):
    sites = "\n".join(f"  {place}: {{platform: local, slots: 9}}" for place in places or fleet.places)
    workloads = "\n".join(
        f"  {name}: {{class: training, job: {{train: x, ranks: 1}}, checkpoints: {{path: c/{name}, every: 1m}}, rpo: 2h, "
        f"after: [{', '.join(fleet.after.get(name, ()))}]}}"
        for name in names or fleet.names
    )
    return parse_environment(DECLARED.format(sites=sites, workloads=workloads, more=more), Path("e.yaml"))


def book(fleet, more="", extra=None, **changed):
    page, structure = written(
        declared(fleet, more, **changed),
        fleet.world(),
        "file:///srv/witness",
        extra or Extra(),
        state="file:///srv/state",
    )
    return as_markdown(page), structure


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"), after={"b": ("a",)})
    made.save()
    return made


def chapter(text, title):
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_its_first_page_is_three_commands(fleet):
    text, structure = book(fleet)
    lines = text.splitlines()
    assert lines[0] == "# Runbook of e"
    assert structure in lines[2]
    commands = chapter(text, "At 3 a.m., if east is lost").split("```")[1].strip().splitlines()
    assert [line.split("  #")[0].strip() for line in commands] == [
        "drstack status e", "drstack promote e --to west --plan --as tree", "drstack promote e --to west",
    ]  # fmt: skip


def test_its_steps_are_those_of_the_plan_that_would_be_carried_out(fleet):
    text, _ = book(fleet)
    plan = plan_only(fleet.world(), "west", Given(by="test"))
    rows = [line for line in chapter(text, "east is lost").splitlines() if re.match(r"\| `\w+", line)]
    steps = {row.split("`")[1]: row for row in rows if not row.split("`")[1].startswith("--")}
    assert list(steps) == [step.id for step in plan.steps]
    for step in plan.steps:
        assert ", ".join(step.after) in steps[step.id]
    assert "seal its term of a in west" in steps["seal a"], "east's repository is lost with it"


def test_a_site_that_writes_nothing_has_a_chapter_that_says_so(fleet):
    text, _ = book(fleet)
    assert "nothing is promoted" in chapter(text, "west is lost")
    assert "drstack up e --site west --refresh" in chapter(text, "west is lost")


def test_it_holds_while_nothing_but_time_and_training_goes_on(fleet):
    before, structure = book(fleet)
    fleet.save(step=20)
    fleet.sites["west"].reachable = False
    fleet.sites["east"].capacity = 7
    time.sleep(0.05)
    after, again = book(fleet)
    assert (after, again) == (before, structure)


def test_measured_times_are_printed_and_make_no_difference(fleet):
    before, structure = book(fleet)
    assert "not measured yet" in before
    promote(fleet.world(), "west", Given(by="test"))
    fleet.save(step=40, term=2)
    fleet.sites["west"].reached = dict.fromkeys(fleet.names, 40)
    promote(fleet.world(), "east", Given(by="test"), kind="switchover")
    after, again = book(fleet)
    assert "within about 10 s" in after
    assert after != before
    assert differences(before, after) == []
    assert again == structure, "there and home again: other terms, the same plans"


def test_it_changes_when_somebody_else_writes(fleet):
    before, structure = book(fleet)
    promote(fleet.world(), "west", Given(by="test"))
    after, again = book(fleet)
    assert again != structure
    assert any("promote e --to east" in line for line in differences(before, after))


def test_it_changes_with_a_workload(tmp_path, fleet):
    before, structure = book(fleet)
    more = Fleet(tmp_path / "more", names=("a", "b", "c"), after={"b": ("a",)})
    after, again = book(more)
    assert again != structure
    assert any("restore c" in line for line in differences(before, after))


def test_it_changes_with_a_site(tmp_path, fleet):
    before, structure = book(fleet)
    more = Fleet(tmp_path / "more", names=("a", "b"), places=("east", "west", "north"), after={"b": ("a",)})
    after, again = book(more)
    assert again != structure
    assert any("east → north" in line for line in differences(before, after))


def test_it_changes_with_what_waits_for_what(tmp_path, fleet):
    _, structure = book(fleet)
    _, again = book(Fleet(tmp_path / "more", names=("a", "b")))
    assert again != structure


def test_it_changes_with_a_step_of_anybodys(fleet, monkeypatch):
    before, structure = book(fleet)
    real = lost.decide

    def with_one_more(*arguments, **named):
        plan = real(*arguments, **named)
        step = Step("tell", "tell", after=("assign",), does="tell <everybody> in term 7 | loudly", timeout_s=5.0)
        return type(plan)(**{**{f: getattr(plan, f) for f in plan.__dataclass_fields__}, "steps": (*plan.steps, step)})

    monkeypatch.setattr(lost, "decide", with_one_more)
    after, again = book(fleet)
    assert again != structure
    [row] = [line for line in after.splitlines() if line.startswith("| `tell`")]
    assert "tell \\<everybody> in its term \\| loudly" in row
    assert "looked at before it is done again" in row, "a step that nobody knows has a remedy too"
    assert differences(before, after)


def test_it_changes_with_contacts_though_plans_stay(fleet):
    before, structure = book(fleet)
    after, again = book(fleet, CONTACTS)
    assert again == structure
    assert differences(before, after)


def test_whose_word_is_needed_stands_on_the_first_page(fleet):
    quorum = (
        "replication: {encrypt_to: [x, y]}\napprovals: {promote: {of: [alice, bob], at_least: 2, break_glass: [bob]}}"
    )
    text, _ = book(fleet, quorum)
    assert "| promote | 2 of alice, bob | for 15m | bob |" in chapter(text, "Who has to agree")
    assert "drstack approve e --as NAME" in chapter(text, "Who has to agree")
    assert "promoter.key is at hand" in chapter(text, "east is lost")
    assert "Who has to agree" not in book(fleet)[0]


def test_contacts_stand_on_the_first_page_in_their_order(fleet):
    assert "None are declared" in book(fleet)[0]
    text, _ = book(fleet, CONTACTS)
    rows = [line for line in chapter(text, "Whom to call, in this order").splitlines() if re.match(r"\| \d", line)]
    assert rows == [
        "| 1 | Ada \\<b> | +49 30 123456 | - | at any hour | first |",
        "| 2 | Head of research | - | head@example.org | - | after 15m without an answer |",
    ]
    assert text.index("Whom to call") < text.index("## east is lost\n")


def test_workloads_of_others_are_left_where_they_are(tmp_path):
    fleet = Fleet(tmp_path, names=("a", "b"), places=("east", "west", "north"))
    fleet.save()
    promote(fleet.world(), "west", Given(by="test", only=("b",)))
    text, _ = book(fleet)
    assert "drstack promote e --to north --workload a\n" in chapter(text, "east is lost")
    assert "drstack promote e --to west\n" in chapter(text, "east is lost"), "west writes the rest already"
    assert "drstack promote e --to north --workload b\n" in chapter(text, "west is lost")


def test_a_standby_that_is_too_small_is_said_with_what_to_do(fleet):
    small = declared(fleet).model_copy(update={"sites": {
        name: site.model_copy(update={"slots": 1}) for name, site in declared(fleet).sites.items()
    }})  # fmt: skip
    page, _ = written(small, fleet.world(), "w", Extra(), state="s")
    text = as_markdown(page)
    assert "No site could take over the work of another" in text
    assert "It cannot take over: west can have 1 worker slots and the work needs 2." in text
    assert "Raise the site's slots" in text


def test_a_consent_that_will_be_asked_for_is_said_beforehand(tmp_path):
    fleet = Fleet(tmp_path, names=("a",), places=("east", "west", "north"))
    world = fleet.world()
    current = fleet.witness().current()
    part = current.workloads["a"].model_copy(update={"acknowledge": ("west",), "writer": "west"})
    current = current.model_copy(update={"workloads": {"a": part}})
    every = lost.ways(world, current, dict.fromkeys(fleet.places, 9), lambda _: world.needs)
    [way] = [way for each in every for way in each.ways if (way.lost, way.target) == ("west", "north")]
    assert way.plan is not None
    assert "unknown loss" in way.asked[0][0]
    assert "--accept-data-loss unknown" in way.asked[0][1]


def test_both_forms_say_the_same_and_the_page_fetches_nothing(fleet):
    page, structure = written(declared(fleet, CONTACTS), fleet.world(), "w", Extra(), state="s")
    html = as_html(page)
    shown = Outline(html)
    assert fetches_nothing(html)
    assert structure in shown.text
    assert "Ada <b>" in shown.text
    assert [tag for tag, _ in shown.seen].count("svg") == 1
    assert "http" not in re.sub(r"<title>.*?</title>", "", html)
    assert [
        text for text in ("drstack promote e --to west", "quarantine folder", "Exit code") if text not in shown.text
    ] == []


def test_a_copy_for_the_kit_types_its_own_command(fleet):
    text, _ = book(fleet, extra=Extra("ready/drstack", "From the kit", site="west"))
    assert text.startswith("# From the kit\n")
    assert "ready/drstack promote e --to west\n" in text
    assert not re.search(r"(?<!ready/)drstack (?:promote|resume|status|abort) e", text)


def test_every_act_has_a_remedy_and_names_no_page_that_paper_lacks():
    class Nobody:
        identity = "1-1"

        def plan(self):
            return {"kind": "promote", "steps": []}

    acts = Promotion(None, Nobody()).acts.keys() | Switchover(None, Nobody()).acts.keys()
    assert acts <= REMEDIES.keys()
    assert not [text for text in REMEDIES.values() if ".md" in text]
    assert remedy("prove", skippable=True).count("kip it") == 1
    assert remedy("made up", skippable=True).endswith("skip it.")


def test_going_on_without_the_witness_is_told_with_what_it_takes(fleet):
    text, _ = book(fleet)
    told = chapter(text, "The witness is away")
    assert "drstack promote e --to west --without-witness --reason '…' --plan --as tree" in told
    assert "every fence has to be proven" in told
    assert "code 88" in told
    assert "| 88 |" in chapter(text, "What it may say")
    kit, _ = book(fleet, extra=Extra("ready/drstack", "From the kit", site="west"))
    assert "ready/drstack promote e --to west --without-witness" in chapter(kit, "The witness is away")


def test_under_leases_it_says_that_the_witness_has_to_be_moved_instead(fleet):
    world = fleet.world()
    leased = replace(world, needs={name: replace(need, leased=True) for name, need in world.needs.items()})
    current = world.witness.current()
    every = lost.ways(leased, current, dict.fromkeys(fleet.places, 9), lambda _: leased.needs)
    page = made(declared(fleet), every, lambda _: estimate((), {}, 0), {}, "w", "s", Extra())
    told = chapter(as_markdown(page), "The witness is away")
    assert "under leases is not promoted without the witness" in told
    assert "--without-witness" not in told


def test_names_in_its_tables_are_marked_and_not_escaped(fleet):
    text, _ = book(fleet)
    assert "\\`" not in text
    assert "graded `assumed`" in text
    assert "`answers` moves them later" in text


def test_what_undoes_a_fence_lifts_it(fleet):
    [row] = [line for line in chapter(book(fleet)[0], "east is lost").splitlines() if line.startswith("| `fence east`")]
    assert "drstack up e --site east --refresh has it stand by again" in row


def test_the_state_of_pulumi_is_told_where_it_is(fleet):
    assert "| state of Pulumi | `file:///srv/state` |" in book(fleet)[0]


def test_an_environment_that_was_never_made_has_no_runbook(fleet):
    world = fleet.world()
    empty = type(world.witness)(fleet.stores["east"], "other", clock=time.time, token=lambda: "t")
    with pytest.raises(EnvironmentUnknown, match="nothing to plan"):
        written(
            declared(fleet),
            type(world)(**{**{f: getattr(world, f) for f in world.__dataclass_fields__}, "witness": empty}),
            "w",
            Extra(),
            state="s",
        )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "not measured yet"), (0.2, "within about 10 s"), (10, "within about 10 s"), (61, "within about 2 min"),
     (3700, "within about 2 h"), (200_000, "within about 3 d")],
)  # fmt: skip
def test_times_are_rounded_up_so_that_they_seldom_change(seconds, said):
    assert about(seconds) == said
    assert differences(f"takes {said}, 60 s", "takes not measured yet, 60 s") == []
    assert differences(f"takes {said}, 60 s", f"takes {said}, 61 s")
