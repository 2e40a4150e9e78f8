"""Small models that are really trained and really saved, with all that looks odd and is healthy.

Masks of -inf, LoRA that begins at zero, moments that are zero at step 0, frozen towers, spikes of the loss, warm-up, a
switch of the optimizer, going on in another dtype, averaged copies, a vocabulary that grows, fp8 weights with scales.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch
from torch import nn

from replicator.repository.snapshot import take_snapshot
from replicator.service.intake import judged

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.model import Finding
    from replicator.repository.manifest import TensorEntry

RECIPES = ("plain", "lora", "spiky", "switch", "recast", "words", "fp8", "momentum")
SAVES = 8
WORDS = 24


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Linear(16, 16)
        self.embedding = nn.Embedding(WORDS, 16)
        self.body = nn.Sequential(nn.Linear(16, 24), nn.BatchNorm1d(24), nn.GELU(), nn.Linear(24, 16), nn.LayerNorm(16))
        self.lora_a = nn.Parameter(torch.randn(16, 2) * 0.1)
        self.lora_b = nn.Parameter(torch.zeros(2, 16))
        self.head = nn.Linear(16, WORDS, bias=False)
        self.register_buffer("mask", torch.full((6, 6), -torch.inf).triu(1))
        self.register_buffer("unused", torch.zeros(40))
        for each in self.tower.parameters():
            each.requires_grad_(requires_grad=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        hidden = self.tower(self.embedding(words))
        return self.head(self.body(hidden) + hidden @ self.lora_a @ self.lora_b)


class Trained:
    """`advance` trains, `save` writes `<folder>/model.pt`: model, averaged copy, optimizer, RNG, loader."""

    def __init__(self, seed: int) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.rng = random.Random(seed)
        self.recipe = RECIPES[seed % len(RECIPES)]
        self.model = Net()
        if self.recipe == "lora":
            for name, each in self.model.named_parameters():
                each.requires_grad_("lora" in name)
        self.words = WORDS
        self.rate = 10 ** self.rng.uniform(-4, -2.3)
        self.warm_up = self.rng.choice((1, 10, 60))
        self.optimizer = self._optimizer("sgd" if self.recipe == "momentum" else "adamw")
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.step = self.saves = 0

    def _optimizer(self, kind: str) -> torch.optim.Optimizer:
        trained = [each for each in self.model.parameters() if each.requires_grad]
        if kind == "sgd":
            return torch.optim.SGD(trained, lr=self.rate, momentum=0.9)
        return torch.optim.AdamW(trained, lr=self.rate, betas=(0.9, self.rng.choice((0.95, 0.999))))

    def advance(self) -> None:
        for _ in range(self.rng.randrange(2, 25)):
            self.step += 1
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * min(1.0, self.step / self.warm_up)
            words = torch.randint(0, self.words, (16,))
            loss = nn.functional.cross_entropy(self.model(words).float(), (words + 1) % self.words)
            if self.recipe == "spiky" and self.rng.random() < 0.05:
                loss = loss * 10 ** self.rng.uniform(1, 3)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 100.0)
            self.optimizer.step()
            for name, value in self.model.state_dict().items():
                if value.is_floating_point() and self.average[name].shape == value.shape:
                    self.average[name] = (0.99 * self.average[name].float() + 0.01 * value.float()).to(value.dtype)
        self.saves += 1
        if self.saves == SAVES // 2:
            self._turn()

    def _turn(self) -> None:
        """What a person does to a run half-way."""
        if self.recipe == "switch":
            self.optimizer = self._optimizer("sgd")
            self._first_step()
        elif self.recipe == "recast":
            self.model.bfloat16()
            self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.optimizer = self._optimizer("adamw")
            self._first_step()
        elif self.recipe == "words":
            self.words += 8
            with torch.no_grad():
                for layer in (self.model.embedding, self.model.head):
                    layer.weight = nn.Parameter(torch.cat([layer.weight, torch.randn(8, 16) * 0.5]))
            for name in ("embedding.weight", "head.weight"):
                self.average[name] = self.model.state_dict()[name].clone()
            self.optimizer = self._optimizer("adamw")
            self._first_step()

    def _first_step(self) -> None:
        words = torch.randint(0, self.words, (16,))
        self.model(words).float().square().mean().backward()
        self.optimizer.step()

    def save(self, folder: Path) -> list[str]:
        folder.mkdir(parents=True)
        state = self.model.state_dict()
        if self.recipe == "fp8":
            scale = state["head.weight"].abs().max() / 400
            state["head.fp8"] = (state["head.weight"] / scale).to(torch.float8_e4m3fn)
            state["head.scale"] = scale
        loader = {"epoch": self.step // 10, "order": torch.randperm(40)}
        torch.save({"model": state, "ema": self.average, "loader": loader}, folder / "model.pt")
        rng = {"rng_state": torch.get_rng_state()}
        torch.save({"optimizer": self.optimizer.state_dict(), **rng, "step": self.step}, folder / "optimizer.pt")
        return ["model.pt", "optimizer.pt"]


def saved(seed: int, folder: Path) -> list[Path]:
    run = Trained(seed)
    folders = [folder / "0"]
    run.save(folders[0])
    for n in range(1, SAVES):
        run.advance()
        folders.append(folder / str(n))
        run.save(folders[-1])
    return folders


def read(folder: Path) -> tuple[TensorEntry, ...]:
    return take_snapshot(folder, ["model.pt", "optimizer.pt"]).tensors


def verdict(folder: Path, history: list[tuple[TensorEntry, ...]]) -> tuple[Finding, ...]:
    snapshot = take_snapshot(folder, ["model.pt", "optimizer.pt"])
    return judged(snapshot.tensors, history, snapshot=snapshot)
