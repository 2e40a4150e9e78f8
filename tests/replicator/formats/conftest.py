"""Real checkpoints, saved once a session by torch itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.filesystem import FileSystemWriter, SerializationFormat

if TYPE_CHECKING:
    from pathlib import Path


def make_state() -> dict[str, object]:
    torch.manual_seed(7)
    model = torch.nn.Sequential(torch.nn.Linear(24, 16), torch.nn.Linear(16, 8).bfloat16())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        model[1](model[0](torch.randn(4, 24)).bfloat16()).float().square().sum().backward()
        optimizer.step()
    return {
        "model": model.state_dict(),
        "optim": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "loader": {"epoch": 3, "cursor": "shard-9", "mixed": [torch.arange(5), "text", None]},
        "step": 40,
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.empty(0, 4),
        "fp8": torch.randn(3, 5).to(torch.float8_e4m3fn),
        "uint16": torch.arange(9).to(torch.uint16),
        "flags": torch.tensor([True, False, True]),
        "complex": torch.randn(6, dtype=torch.complex64),
        "view": torch.randn(10, 10)[2:4],
        "expanded": torch.randn(1).expand(5),
        "name/with spaces": torch.ones(2),
    }


def save(state: dict[str, object], folder: Path, **options: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, storage_writer=FileSystemWriter(folder, sync_files=False, **options), no_dist=True)
    return folder


@pytest.fixture(scope="session")
def state() -> dict[str, object]:
    return make_state()


@pytest.fixture(scope="session")
def dcp_folder(state: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    transposed = {
        "transposed": torch.randn(4, 6).t(),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    return save(state | transposed, tmp_path_factory.mktemp("dcp") / "step-40")


@pytest.fixture(scope="session")
def dcp_safetensors_folder(state: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = {name: value for name, value in state.items() if name != "expanded"}
    folder = tmp_path_factory.mktemp("dcp-safetensors") / "step-40"
    return save(plain, folder, serialization_format=SerializationFormat.SAFETENSORS)
