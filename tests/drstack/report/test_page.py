import re
from dataclasses import replace

from drstack.report import FenceMark, Reference, Refusal
from drstack.report.page import page
from tests.drstack.report.outline import Outline
from tests.drstack.report.recorded import FAILED_AT, recorded

HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=y>&amp;{{ 7*7 }}"


def outline(record):
    return Outline(page(record, picture="timeline.png"))


def test_the_page_opens_with_the_verdict_and_tells_everything():
    told = outline(recorded())
    assert [tag for tag, _ in told.seen].count("h1") == 1
    assert told.text.index("west resumed gpt from step 30") < told.text.index("RPO: work lost")
    for words in ("✓ met, objective 60 s", "reconcile", "commit of step 50", "its term is sealed", "✓ proven",
                  "its process group is gone", "✓ equal", "crypto", '"result": "promoted"', "moved away",
                  "2025-10-09 08:53:20 UTC"):  # fmt: skip
        assert words in told.text
    assert "Attention" not in told.text


def test_the_page_calls_for_nothing_outside_its_folder():
    text = page(recorded(), picture="timeline.png")
    told = Outline(text)
    addresses = [value for _, attrs in told.seen for name, value in attrs.items() if name in {"src", "href"}]
    assert sorted(addresses) == ["record.json", "timeline.png"]
    assert not re.search(r"https?://|url\(|@import", text)
    assert "script" not in {tag for tag, _ in told.seen}


def test_the_picture_has_words_for_those_who_cannot_see_it():
    (image,) = [attrs for tag, attrs in outline(recorded()).seen if tag == "img"]
    assert "RTO 9.8 s" in image["alt"]


def test_hostile_strings_stay_text():
    record = recorded(
        environment=HOSTILE,
        workload=HOSTILE,
        sites=(HOSTILE, HOSTILE + "2"),
        failure=replace(recorded().failure, site=HOSTILE, files=HOSTILE, how=HOSTILE),
        refused=(Refusal(HOSTILE, FAILED_AT, HOSTILE, HOSTILE),),
        fences=(FenceMark(HOSTILE, "assumed", HOSTILE),),
        reference=Reference(match=True, steps_compared=3, against=HOSTILE),
        checkpoints=tuple(replace(each, site=HOSTILE, repository=HOSTILE) for each in recorded().checkpoints),
        facts={HOSTILE: HOSTILE},
        document={HOSTILE: HOSTILE},
    )
    told = outline(record)
    assert {tag for tag, _ in told.seen} == {tag for tag, _ in outline(replace(recorded(), fences=())).seen}
    assert not [attrs for _, attrs in told.seen if "onerror" in attrs]
    assert told.text.count(HOSTILE) > 15


def test_an_assumed_fence_and_a_missed_objective_stand_out():
    told = outline(recorded(fences=(FenceMark("east", "assumed", "no answer within 5 s"),), rto_objective_s=9))
    for words in ("Attention", "The fence of east is assumed", "✕ assumed", "no answer within 5 s", "✕ missed"):
        assert words in told.text


def test_what_is_missing_is_said():
    told = outline(recorded(reference=None, refused=(), fences=(), phases=(), facts={}, checkpoints=(), steps=()))
    for words in ("was not compared with another", "nothing had to be refused", "No fence was recorded",
                  "No phase was recorded", "none restored"):  # fmt: skip
        assert words in told.text
