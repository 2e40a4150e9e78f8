"""The picture as pixels: its size, and that what it must show has left its colour where it belongs."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from drstack.report import Phase, Refusal, StepMark
from drstack.report.picture import draw
from drstack.report.picture.palette import ALARM, BACK_BAND, LOST_BAND, SITES
from drstack.report.record import PHASES
from tests.drstack.report.recorded import FAILED_AT, recorded


def drawn(tmp_path, record):
    draw(record, tmp_path / "timeline.png")
    return imread(tmp_path / "timeline.png")[..., :3]


def share(pixels, colour):
    return float(np.mean(np.all(np.abs(pixels - to_rgb(colour)) < 0.012, axis=-1)))


@pytest.mark.slow
def test_the_picture_is_1600_by_900_and_shows_every_part(tmp_path):
    pixels = drawn(tmp_path, recorded())
    assert pixels.shape == (900, 1600, 3)
    assert share(pixels, "white") < 0.8
    for colour in (*SITES[:2], LOST_BAND, BACK_BAND, ALARM):
        assert share(pixels, colour) > 0.002


@pytest.mark.slow
def test_bands_are_as_long_as_what_they_measure(tmp_path):
    short, long = (share(drawn(tmp_path, recorded(rpo_s=rpo_s)), LOST_BAND) for rpo_s in (1.5, 6.0))
    assert 3 < long / short < 5


def test_the_same_record_makes_the_same_picture_whatever_the_users_settings(tmp_path):
    before = drawn(tmp_path, recorded())
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": False}):
        assert np.array_equal(before, drawn(tmp_path, recorded()))
        assert mpl.rcParams["font.size"] == 30


def scaled(factor, count=41):
    """The same recovery, slower by a factor, with the steps of the old writer cut to the last few."""
    record = recorded()

    def moved(at):
        return FAILED_AT + (at - FAILED_AT) * factor

    return replace(
        record,
        steps=tuple(replace(each, at=moved(each.at)) for each in record.steps if each.step > 41 - count),
        checkpoints=tuple(replace(each, at=moved(each.at)) for each in record.checkpoints),
        phases=tuple(Phase(each.name, moved(each.began_at), moved(each.ended_at)) for each in record.phases),
        rpo_s=record.rpo_s * factor,
        rto_s=record.rto_s * factor,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "record",
    [
        scaled(0.001),
        scaled(720),
        scaled(50_000),
        scaled(1, count=3),
        recorded(steps=(), checkpoints=(), phases=(), refused=(), fences=(), reference=None),
        recorded(steps=(), checkpoints=(), phases=(), rpo_s=0.0, rto_s=0.0, rpo_objective_s=0.0),
        recorded(phases=tuple(Phase(name, FAILED_AT, FAILED_AT + 0.001) for name in PHASES), rto_s=0.001),
        recorded(refused=(Refusal("east", FAILED_AT + 1e6, "much later", "sealed"),)),
        recorded(steps=(StepMark("nowhere", 5, FAILED_AT - 1), StepMark("west", 31, FAILED_AT + 9.8))),
        recorded(sites=("$\\frac{", "_west\n<b>"), workload="$x" * 90, environment="$"),
    ],
    ids=["ms", "hours", "days", "few steps", "nothing", "no time", "1 ms phases", "late", "one step", "hostile"],
)
def test_every_record_can_be_drawn(tmp_path, record):
    pixels = drawn(tmp_path, record)
    assert pixels.shape == (900, 1600, 3)
    assert share(pixels, ALARM) > 0.001
