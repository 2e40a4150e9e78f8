"""What a training run is between two steps, and so what a checkpoint holds.

That is the model, AdamW's moments, the learning rate schedule, the loader's position, every rank's
generators, the step and the run's identity.
Invariant: `load(state())` into a freshly built run of as many ranks makes all later losses the same bits.
Names are stable: `model.*`, `optim.*`, `schedule.*`, `loader.*`, `rng.rank<r>.*`, `run.*`.
"""

from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.fsdp import fully_shard
from torch.nn import functional

from examples.train.data import Loader, read_text
from examples.train.errors import ResumeRefused
from examples.train.folder import Found
from examples.train.model import VOCABULARY, Gpt
from examples.train.options import Options
from examples.train.world import World

LEARNING_RATE = 1e-3
WARM_UP = 50


def _rate(done: int) -> float:
    """Linear warm-up, then inverse square root: no end in sight, so `--steps` changes no loss."""
    return min((done + 1) / WARM_UP, (WARM_UP / (done + 1)) ** 0.5)


class Training:
    """One run on this rank: all of its state, and how a step changes it."""

    def __init__(self, options: Options, world: World) -> None:
        self._options = options
        self._world = world
        self.step = 0
        self.tokens_per_step = world.size * options.batch * options.size.context
        self._loader = Loader(read_text(), options.size.context, world.size * options.batch, options.seed)
        torch.manual_seed(options.seed)
        self._model = Gpt(options.size)
        for block in self._model.blocks:
            fully_shard(block, mesh=world.mesh)
        fully_shard(self._model, mesh=world.mesh)
        # foreach and fused give the same bits here, and a first step that is 0.2 to 0.4 s slower.
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), foreach=False
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, _rate)
        torch.manual_seed(options.seed + 1 + world.rank)

    def advance(self) -> Tensor:
        """Take one step; this rank's mean loss per byte, fp32, before the update."""
        inputs, targets = self._loader.next(self._world.rank, self._world.size)
        logits = self._model(inputs.to(self._world.device))
        wanted = targets.to(self._world.device).reshape(-1)
        loss = functional.cross_entropy(logits.view(-1, VOCABULARY), wanted)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, object]:
        """What DCP saves: sharded tensors from each rank, its own generators, the rest once."""
        model, optimizer = get_state_dict(self._model, self._optimizer)
        return {
            "model": model,
            "optim": optimizer,
            "schedule": self._schedule.state_dict(),
            "loader": self._loader.state(),
            "rng": {f"rank{self._world.rank}": self._generators()},
            "run": self._identity() | self._division() | {"step": torch.tensor(self.step)},
        }

    def resume(self, found: Found) -> bool:
        """Become what the checkpoint holds; whether the losses to come are bit for bit the saved run's.

        With other ranks, batch or kind of device the run goes on with fresh generators. ResumeRefused if the
        checkpoint is another run's or of another shape.
        """
        step = torch.tensor(0)
        run = self._identity() | self._division() | {"step": step}
        self._read(found, {"run": run})
        self.step = run["step"] = int(step)
        for name, ours in (self._identity() | {"step": found.step}).items():
            if run[name] != ours:
                raise ResumeRefused(f"{found.path.name} has {name} {run[name]!r}, this run {ours!r}")
        model, optimizer = get_state_dict(self._model, self._optimizer)
        schedule, loader = self._schedule.state_dict(), self._loader.state()
        self._read(found, {"model": model, "optim": optimizer, "schedule": schedule, "loader": loader})
        set_state_dict(self._model, self._optimizer, model_state_dict=model, optim_state_dict=optimizer)
        self._schedule.load_state_dict(schedule)
        self._loader.load(loader)
        if exact := all(run[name] == ours for name, ours in self._division().items()):
            generators = self._generators()
            self._read(found, {"rng": {f"rank{self._world.rank}": generators}})
            self._set_generators(generators)
        return exact

    def _read(self, found: Found, into: dict[str, object]) -> None:
        """Fill tensors and dictionaries in place with what the checkpoint has under their names."""
        load(into, checkpoint_id=found.path, process_group=self._world.checkpoint_group)

    def _identity(self) -> dict[str, object]:
        options = self._options
        return {"name": options.run, "seed": options.seed, "size": [*asdict(options.size).items()]}

    def _division(self) -> dict[str, object]:
        return {"world": self._world.size, "batch": self._options.batch, "device": self._world.device.type}

    def _generators(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._world.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._world.device)
        return states

    def _set_generators(self, states: Mapping[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self._world.device)
