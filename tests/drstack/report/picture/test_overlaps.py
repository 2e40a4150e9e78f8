"""No words of the picture lie on other words, or outside it, for recoveries of very different shapes."""

from itertools import combinations

import pytest
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drstack.report import FenceMark, Reference, Refusal
from drstack.report.picture.drawing import _compose
from drstack.report.picture.palette import STYLE
from tests.drstack.report.picture.test_drawing import scaled
from tests.drstack.report.recorded import FAILED_AT, recorded

LATE = Refusal("east", FAILED_AT + 86_400, "a commit", "sealed")
LONG = "eu-central-1-frankfurt-a"


def words(record):
    """Visible texts with their boxes in pixels, on a canvas like the real one."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(16, 9), dpi=100)
        FigureCanvasAgg(figure)
        _compose(record, figure)
        figure.canvas.draw()
        texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
        for axes in figure.axes:
            texts += [*axes.texts, *axes.get_yticklabels()]
        left, right = figure.axes[-1].get_xlim()
        texts += [each for each in figure.axes[-1].get_xticklabels() if left <= each.get_position()[0] <= right]
        return [(each.get_text(), each.get_window_extent()) for each in texts if each.get_visible() and each.get_text()]


@pytest.mark.parametrize(
    "record",
    [
        recorded(),
        scaled(0.001),
        scaled(720),
        scaled(1, count=3),
        recorded(rpo_s=2400.0, rto_s=7200.0, rpo_objective_s=7140.0, rto_objective_s=3540.0),
        recorded(rpo_s=0.0, rto_s=9.8),
        recorded(rpo_s=3000.0, rto_s=9.8),
        recorded(refused=(LATE,), fences=(FenceMark("east", "assumed", "silence"),), reference=None),
        recorded(reference=Reference(False, 30, 33, "an undisturbed run on the same machine"), fences=()),
        recorded(sites=(LONG, "west"), fences=tuple(FenceMark(f"{LONG}{n}", "assumed", "no") for n in range(5))),
    ],
    ids=["demo", "ms", "hours", "few", "long", "rpo 0", "wide rpo", "late", "differs", "names"],
)
def test_words_do_not_lie_on_each_other(record):
    found = words(record)
    assert len(found) > 20
    for (one, here), (other, there) in combinations(found, 2):
        covers_x = min(here.x1, there.x1) - max(here.x0, there.x0)
        covers_y = min(here.y1, there.y1) - max(here.y0, there.y0)
        assert not (covers_x > 1 and covers_y > 4), (one, other)
    for text, box in found:
        assert box.x0 >= 0, text
        assert box.x1 <= 1600, text
