"""Windows of training are told from the trainer's own events, and neighbours are compared."""

from __future__ import annotations

import pytest

from benchmarks.sections.training_time import Window, told
from benchmarks.series.trained import Shape

SHAPE = Shape(layers=1, width=8, heads=1, batch=1, steps=50, every=10)


def windows(*means: float) -> list[Window]:
    return [Window(ships=n % 2 == 0, began=10.0 * n, steps=[mean] * 5, cpu_s=1.0) for n, mean in enumerate(means)]


def test_neighbours_are_compared_so_that_a_machine_that_slows_down_is_no_finding():
    section = told(windows(9, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0), SHAPE, 1 << 20)
    assert "1.00 (1.00 to 1.00)" in section.verdicts[0].seen
    assert section.verdicts[0].reached


def test_steps_that_are_slower_while_it_ships_are_a_finding():
    section = told(windows(9, 1.0, 1.2, 1.0, 1.2, 1.0, 1.2), SHAPE, 1 << 20)
    assert "1.20 (1.20 to 1.20)" in section.verdicts[0].seen
    assert not section.verdicts[0].reached


def test_too_few_windows_are_no_figure():
    with pytest.raises(ValueError, match="nothing was measured"):
        told(windows(1.0, 1.0), SHAPE, 1 << 20)
