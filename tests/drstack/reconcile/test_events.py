"""What a person is told while the engine works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from drstack.reconcile.events import Story
from drstack.reconcile.leashed import Finished
from drstack.reconcile.telling import Telling, failure

if TYPE_CHECKING:
    from pathlib import Path

URN = "urn:pulumi:gpt.east::drstack::drstack:index:Site$drstack:index:Workers::pool"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step(kind: str, op: str, **more: object) -> str:
    return json.dumps({"sequence": 1, kind: {"metadata": {"op": op, "urn": URN}} | more})


def test_a_create_is_told_when_it_is_done_with_its_time():
    clock = Clock()
    story = Story(clock)
    assert story.tell(step("resourcePreEvent", "create")) is None
    clock.now += 1.5
    assert story.waiting() == "create drstack:index:Workers pool for 2 s"
    assert story.tell(step("resOutputsEvent", "create")) == "created drstack:index:Workers pool (1.5 s)"
    assert story.waiting() is None


def test_a_preview_tells_what_would_be_done():
    assert Story().tell(step("resOutputsEvent", "update", planning=True)) == "update drstack:index:Workers pool"


def test_what_stays_the_same_is_not_told():
    assert Story().tell(step("resOutputsEvent", "same")) is None


def test_errors_and_warnings_are_kept_and_debugging_is_not():
    story = Story()
    for severity in ("error", "warning", "debug"):
        story.tell(json.dumps({"diagnosticEvent": {"urn": URN, "severity": severity, "message": "<{%reset%}>no\n"}}))
    assert story.errors == story.warnings == ["drstack:index:Workers pool: no"]


def test_a_policy_that_is_mandatory_is_an_error():
    story = Story()
    policy = {"policyName": "p", "resourceUrn": URN, "message": "m", "enforcementLevel": "mandatory"}
    assert story.tell(json.dumps({"policyEvent": policy})) == "policy p: drstack:index:Workers pool: m"
    assert story.errors


def test_the_summary_counts_changes():
    story = Story()
    story.tell(json.dumps({"summaryEvent": {"resourceChanges": {"create": 2, "same": 1}}}))
    assert story.changes == {"create": 2, "same": 1}


def test_lines_that_mean_nothing_are_passed_over():
    story = Story()
    for line in ('{"seq', "[]", "3", '{"unheardOf": {"a": 1}}', '{"resOutputsEvent": null}', '{"summaryEvent": []}'):
        story.tell(line)
    assert (story.errors, story.changes) == ([], {})


def test_a_line_cut_short_is_read_when_it_is_whole(tmp_path: Path):
    log, told = tmp_path / "events", []
    log.touch()
    telling = Telling(Story(Clock()), told.append, "up gpt", log, Clock())
    line = step("resOutputsEvent", "create")
    with log.open("a") as out:
        for part in (line[:40], line[40:], "\n"):
            out.write(part)
            out.flush()
            telling.tick()
    assert told == ["created drstack:index:Workers pool (0.0 s)"]


def test_a_silent_engine_is_spoken_of():
    clock, told = Clock(), []
    telling = Telling(Story(clock), told.append, "up gpt", None, clock)
    telling.tick()
    clock.now += 11
    telling.tick()
    telling.tick()
    assert told == ["up gpt is at work"]


def test_a_failure_carries_the_engines_words():
    telling = Telling(Story(), print, "up gpt")
    assert "said nothing" in str(failure(telling, Finished(255, "", ""), "gpt"))
    assert "boom" in str(failure(telling, Finished(255, "", "boom"), "gpt"))
    telling.story.errors.append("east: no\nsuch folder")
    assert "no\n  such folder" in str(failure(telling, Finished(255, "", "boom"), "gpt"))
    locked = failure(telling, Finished(255, "", "the stack is currently locked by 1 lock(s)"), "gpt")
    assert "pulumi cancel" in str(locked.hint)
