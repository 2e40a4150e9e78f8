"""The loader deals each window once an epoch, to every rank its own, and goes on from its state."""

import sys

import pytest
import torch

from examples.train.data import SOURCE, Loader, read_text
from examples.train.errors import Usage


def text(length: int = 81) -> torch.Tensor:
    return torch.arange(length, dtype=torch.uint8)


def starts(loader: Loader, rank: int = 0, world: int = 1) -> list[int]:
    return loader.next(rank, world)[0][:, 0].tolist()


def test_targets_are_the_inputs_one_byte_on():
    inputs, targets = Loader(text(), context=8, per_step=2, seed=1).next(0, 1)
    assert inputs.shape == targets.shape == (2, 8)
    assert inputs.dtype == torch.int64
    assert torch.equal(targets, inputs + 1)


def test_an_epoch_deals_every_window_once_over_all_ranks():
    ranks = [Loader(text(), context=8, per_step=2, seed=1) for _ in range(2)]
    dealt = [start for _ in range(5) for rank in range(2) for start in starts(ranks[rank], rank, 2)]
    assert sorted(dealt) == [8 * window for window in range(10)]
    again = [start for _ in range(5) for rank in range(2) for start in starts(ranks[rank], rank, 2)]
    assert sorted(again) == sorted(dealt)
    assert again != dealt


@pytest.mark.parametrize("taken", range(9))
def test_a_loaded_state_goes_on_where_it_was_taken(taken):
    saved = Loader(text(), context=8, per_step=3, seed=1)
    for _ in range(taken):
        saved.next(0, 1)
    state = {name: value.clone() for name, value in saved.state().items()}
    resumed = Loader(text(), context=8, per_step=3, seed=99)
    resumed.load(state)
    assert [starts(resumed) for _ in range(7)] == [starts(saved) for _ in range(7)]


def test_refuses_a_text_too_short_for_one_step():
    with pytest.raises(Usage, match="lower --context, --batch or the number of ranks"):
        Loader(text(20), context=8, per_step=3, seed=1)


def test_the_text_is_pythons_own_and_enough():
    found = read_text()
    assert found.dtype == torch.uint8
    assert len(found) > 300_000


def test_says_what_to_install_when_the_text_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, SOURCE, None)
    with pytest.raises(Usage, match=r"pydoc_data\.topics.*install a full CPython"):
        read_text()
