"""Which windows of text a step trains on.

The order is a function of the seed; the position is counted in windows over all ranks, so that it means the
same to a run of another size.
Invariant: `load(state())` on a fresh loader yields what the saved one would have yielded.
"""

import importlib

import torch
from torch import Tensor

from examples.train.errors import Usage

SOURCE = "pydoc_data.topics"


def read_text() -> Tensor:
    """Python's language reference as uint8 bytes, the same for all runs of one CPython release."""
    try:
        topics = importlib.import_module(SOURCE).topics
    except (ImportError, AttributeError) as error:
        raise Usage(
            f"the training text, module {SOURCE}, is not in this Python ({error}); "
            "install a full CPython (Debian: libpython3-stdlib with pydoc-data)"
        ) from error
    joined = "\n".join(topics[name] for name in sorted(topics))
    return torch.frombuffer(bytearray(joined.encode()), dtype=torch.uint8)


class Loader:
    """Deals windows of `context` bytes in a fresh order each epoch; the tail of an epoch is dropped."""

    def __init__(self, text: Tensor, context: int, per_step: int, seed: int) -> None:
        self._text = text
        self._context = context
        self._per_step = per_step
        self._windows = (len(text) - 1) // context
        if self._windows < per_step:
            raise Usage(
                f"the text has {self._windows} windows of {context} bytes, and a step takes {per_step}; "
                "lower --context, --batch or the number of ranks"
            )
        self._generator = torch.Generator().manual_seed(seed)
        self._deal()

    def _deal(self) -> None:
        self._before = self._generator.get_state()
        self._order = torch.randperm(self._windows, generator=self._generator)
        self._position = 0

    def next(self, rank: int, world: int) -> tuple[Tensor, Tensor]:
        """One rank's inputs and targets, int64 (per_step / world, context); all ranks advance alike."""
        if self._position + self._per_step > self._windows:
            self._deal()
        share = self._per_step // world
        first = self._position + rank * share
        starts = self._order[first : first + share] * self._context
        self._position += self._per_step
        rows = self._text[starts[:, None] + torch.arange(self._context + 1)].long()
        return rows[:, :-1], rows[:, 1:]

    def state(self) -> dict[str, Tensor]:
        """The position, and the generator as it was before this epoch's order was drawn."""
        return {"generator": self._before, "position": torch.tensor(self._position)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up where `state` was taken."""
        self._generator.set_state(state["generator"])
        self._deal()
        self._position = int(state["position"])
