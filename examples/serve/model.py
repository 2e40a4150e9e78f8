"""A served model: the weights of one recovery point, and how it continues a text.

Invariant: a `Model` never changes; a newer one is built beside it and takes its place.
"""

from pathlib import Path
from typing import cast

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load

from examples.serve.errors import BadRequest, NotServable
from examples.train.model import Gpt
from examples.train.options import ModelSize

MOST_TOKENS = 256
MOST_PROMPT = 16_384


class Model:
    """`step` is the training step whose weights these are."""

    def __init__(self, folder: Path, step: int) -> None:
        """NotServable if the files hold no Gpt of examples.train, or one of another step."""
        try:
            run: dict[str, object] = {"size": [("layers", 0)], "step": torch.tensor(0)}
            load({"run": run}, checkpoint_id=folder, no_dist=True)
            size = ModelSize(**dict(cast("list[tuple[str, int]]", run["size"])))
            network = Gpt(size)
            load({"model": network.state_dict()}, checkpoint_id=folder, no_dist=True)
        except (CheckpointException, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise NotServable(f"{folder} holds no model of examples.train: {error}") from error
        if int(cast("torch.Tensor", run["step"])) != step:
            raise NotServable(f"{folder} is of step {run['step']}; its commit says {step}")
        self.step = step
        self._network = network.eval()
        self._context = size.context

    def generate(self, prompt: str, tokens: int) -> str:
        """The likeliest continuation, `tokens` bytes long, as text. BadRequest for what it cannot continue."""
        text = list(prompt.encode())
        if not text:
            raise BadRequest("prompt is empty: at least one byte is needed")
        if len(text) > MOST_PROMPT or not 1 <= tokens <= MOST_TOKENS:
            raise BadRequest(f"prompt may have {MOST_PROMPT} bytes, and tokens be 1 to {MOST_TOKENS}")
        made = bytearray()
        with torch.inference_mode():
            for _ in range(tokens):
                logits = self._network(torch.tensor([text[-self._context :]]))
                made.append(int(logits[0, -1].argmax()))
                text.append(made[-1])
        return made.decode(errors="replace")
