from dataclasses import replace

import pytest

from drstack.report import FenceMark, Reference, verdict
from drstack.report.durations import spoken
from drstack.report.picture.checks import checks
from drstack.report.verdict import alt_text, warnings
from tests.drstack.report.recorded import recorded


def test_a_good_recovery_is_one_plain_sentence():
    assert verdict(recorded()) == (
        "west resumed gpt from step 30, 11 steps (3.2 s) were lost, back after 9.8 s; both within the objectives; "
        "the resumed run equals the lost one bit for bit over 30 steps."
    )
    assert warnings(recorded()) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rpo_objective_s": 2}, "the RPO objective of 2 s was missed by 1.2 s, the RTO objective of 2 min was met"),
        ({"rto_objective_s": 9}, "the RPO objective of 60 s was met, the RTO objective of 9 s was missed by 800 ms"),
        (
            {"rpo_objective_s": 0, "rto_objective_s": 9},
            "the RPO objective of 0 s was missed by 3.2 s and the RTO objective of 9 s was missed by 800 ms",
        ),
        ({"reference": None}, "the resumed run was not compared with a reference"),
        ({"reference": Reference(match=True, steps_compared=0)}, "was not compared with a reference"),
        ({"reference": Reference(False, 30, 33)}, "the resumed run differs from the lost one, at step 33 first"),
        ({"reference": Reference(False, 30)}, "the resumed run differs from the lost one, within 30 steps"),
        (
            {"reference": Reference(True, 1, None, "an undisturbed one")},
            "equals an undisturbed one bit for bit over 1 s",
        ),
        ({"fences": (FenceMark("east", "assumed", "no answer"),)}, "fencing is not proven for east (assumed)"),
        ({"fences": ()}, "fencing is not proven for east (no fence recorded)"),
        ({"checkpoints": ()}, "west began gpt anew without a checkpoint, all 41 steps were lost"),
        ({"failure": replace(recorded().failure, step=30)}, "from step 30, nothing was lost, back after 9.8 s"),
        ({"failure": replace(recorded().failure, step=31)}, "1 step (3.2 s) was lost"),
    ],
)
def test_the_verdict_says_what_is_so(changes, said):
    assert said in verdict(recorded(**changes))


@pytest.mark.parametrize(
    "reference", [None, Reference(match=True, steps_compared=0), Reference(match=False, steps_compared=9)]
)
def test_equality_is_never_claimed_where_it_was_not_shown(reference):
    record = recorded(reference=reference)
    assert "bit for bit" not in verdict(record)
    assert checks(record)[0].mark != "✓"


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"fences": (FenceMark("east", "assumed", "no answer"),)}, "The fence of east is assumed"),
        ({"fences": ()}, "No fence of east is recorded"),
        ({"fences": (FenceMark("north", "proven", "gone"),)}, "No fence of east is recorded"),
        ({"rto_objective_s": 9}, "RTO 9.8 s misses its objective of 9 s."),
        ({"reference": Reference(False, 30, 33)}, "The resumed run differs from the lost one, at step 33 first."),
    ],
)
def test_warns_of_what_must_not_be_missed(changes, warned):
    assert [each for each in warnings(recorded(**changes)) if each.startswith(warned)]


@pytest.mark.parametrize(("grade", "mark"), [("proven", "✓"), ("lease-expired", "!"), ("assumed", "!")])
def test_the_picture_ticks_only_a_proven_fence(grade, mark):
    found = checks(recorded(fences=(FenceMark("east", grade, "why"),)))
    assert [each.mark for each in found if "fence of east" in each.words] == [mark]


def test_the_alternative_text_tells_what_the_picture_shows():
    text = alt_text(recorded())
    for words in (
        "step 41",
        "SIGKILL",
        "RPO 3.2 s",
        "RTO 9.8 s",
        "from step 30",
        "12 phases",
        "1 later offer by a dead",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"), (0, "0 s"), (0.0004, "<1 ms"), (0.00099, "1 ms"),
        (0.012, "12 ms"), (0.9996, "1 s"), (3.24, "3.2 s"), (60, "60 s"),
        (119.97, "120 s"), (125, "2 min 5 s"), (3599.7, "1 h"), (7500, "2 h 5 min"), (7199.9, "2 h"),
        (172_800, "2 d"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_durations_are_spoken(seconds, words):
    assert spoken(seconds) == words
