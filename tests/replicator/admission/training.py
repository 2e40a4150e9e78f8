"""A small training run in numpy, with everything in it that looks odd and is healthy.

Zero-initialised LoRA and biases, moments that are zero at step 0, a frozen tower, a mask of infinities, experts that
get no more tokens, accumulators that are reset, loss spikes, warm-up, weights in bfloat16, and a changing number of
ranks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from replicator.admission import Summariser, TensorSummary

Array = NDArray[np.float32]
RECIPES = ("adam", "sgd", "lora")


class Run:
    """Call `save` for each checkpoint; `advance` between them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.recipe = RECIPES[seed % len(RECIPES)]
        self.step = 0
        self.half = bool(self.rng.integers(2))
        self.warm_up = int(self.rng.integers(1, 200))
        self.beta2 = float(self.rng.choice([0.95, 0.99, 0.999]))
        self.rate = float(10 ** self.rng.uniform(-5, -2))
        self.noise = float(10 ** self.rng.uniform(-6, 1))
        self.ranks = 1
        self.saves = 0
        normal = self.rng.standard_normal
        self.frozen = {
            "model.tower.w": normal(300).astype(np.float32),
            "model.inv_freq": np.arange(1, 33, dtype=np.float32),
        }
        self.frozen["model.mask"] = np.triu(np.full((16, 16), -np.inf, np.float32), 1).reshape(-1)
        self.frozen["model.unused_bias"] = np.zeros(64, np.float32)
        self.weights: dict[str, Array] = {
            "model.w": normal(400).astype(np.float32) * np.float32(0.02),
            "model.bias": np.zeros(32, np.float32),
            "model.expert.w": normal(64).astype(np.float32) * np.float32(0.02),
            "model.scale": np.ones(1, np.float32),
        }
        if self.recipe == "lora":
            self.frozen["model.base"] = self.weights.pop("model.w")
            self.weights |= {"model.lora_A": normal(48).astype(np.float32), "model.lora_B": np.zeros(48, np.float32)}
        self.first = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.second = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.starved_from = int(self.rng.integers(20, 400))
        self.running = np.zeros(32, np.float32)
        self.accumulated = np.zeros(32, np.float32)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            rate = np.float32(self.rate * min(1.0, self.step / self.warm_up))
            spike = 10 ** self.rng.uniform(0, 3) if self.rng.random() < 0.01 else 1.0
            for name in self.weights:
                starved = name == "model.expert.w" and self.step >= self.starved_from
                size = self.noise * spike * (0.0 if starved else 1.0)
                gradient = (self.rng.standard_normal(self.weights[name].size) * size).astype(np.float32)
                self._update(name, gradient, rate)
            self.running += np.float32(0.1) * (np.float32(self.noise) - self.running)
        self.saves += 1
        self.accumulated = self.rng.random(32).astype(np.float32) * np.float32(self.saves % 2)
        if self.rng.random() < 0.1:
            self.ranks = int(self.rng.integers(1, 4))

    def _update(self, name: str, gradient: Array, rate: np.float32) -> None:
        first, second = self.first[name], self.second[name]
        first += np.float32(0.1) * (gradient - first)
        if self.recipe == "sgd":
            self.weights[name] -= rate * np.clip(first, -10, 10)
            return
        second += np.float32(1 - self.beta2) * (gradient * gradient - second)
        correction = np.float32(1 - self.beta2**self.step)
        self.weights[name] -= rate * first / (np.sqrt(second / correction) + np.float32(1e-8))

    def save(self) -> list[TensorSummary]:
        tensors: dict[str, Array] = self.frozen | self.weights | {"model.running_var": self.running}
        tensors |= {f"optim.{name}.exp_avg": value for name, value in self.first.items()}
        if self.recipe != "sgd":
            tensors |= {f"optim.{name}.exp_avg_sq": value for name, value in self.second.items()}
        found = [piece for name, value in tensors.items() for piece in self._shards(name, value)]
        found.append(summarise("model.tokens_seen", self.accumulated))
        found.append(summarise("optim.step", np.full(1, self.step, np.float32)))
        found.extend(raw(f"rng_state_{rank}", self.rng.bytes(64), "uint8") for rank in range(self.ranks))
        found.extend(raw(f"dataloader.dp_rank_{rank}", self.rng.bytes(9 + self.step % 7)) for rank in range(self.ranks))
        return found

    def _shards(self, name: str, value: Array) -> list[TensorSummary]:
        half = self.half and name in self.weights
        return [summarise(name, part, (value.size,), half=half) for part in np.array_split(value, self.ranks)]


def summarise(name: str, value: Array, shape: tuple[int, ...] | None = None, *, half: bool = False) -> TensorSummary:
    if half:
        summariser = Summariser("bfloat16")
        summariser.update((value.view(np.uint32) >> 16).astype(np.uint16).tobytes())
    else:
        summariser = Summariser("float32")
        summariser.update(value.tobytes())
    return summariser.finish(name, shape)


def raw(name: str, data: bytes, dtype: str = "bytes") -> TensorSummary:
    summariser = Summariser(dtype)
    summariser.update(data)
    return summariser.finish(name)
