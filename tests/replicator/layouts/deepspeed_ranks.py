"""One of two ranks that DeepSpeed trains with ZeRO: `torchrun … deepspeed_ranks.py STAGE FOLDER URL`.

Saves at steps 2 and 4 as a program of its users does; then what `replicator restore` printed is run on a new engine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed as dist


def engine_of(stage: int) -> Any:
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
    settings = {
        "train_batch_size": 2, "train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": True},
        "zero_optimization": {"stage": stage}, "zero_allow_untested_optimizer": True, "zero_force_ds_cpu_optimizer": False,
    }  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return deepspeed.initialize(model=model, optimizer=optimizer, config=settings)[0]


def step(engine: Any, number: int) -> float:
    generator = torch.Generator().manual_seed(number * 2 + dist.get_rank())
    loss = engine(torch.randn(1, 8, generator=generator, dtype=torch.bfloat16)).float().pow(2).mean()
    engine.backward(loss)
    engine.step()
    return loss.item()


def replicator(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "replicator", *arguments, "--json"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return json.loads(done.stdout.splitlines()[-1])


def lose_and_restore(folder: Path, url: str) -> str:
    replicator("watch", str(folder), "--repo", url, "--once")
    shutil.copytree(folder, folder.with_name("kept"))
    shutil.rmtree(folder)
    return replicator("restore", "latest", "--repo", url, "--to", str(folder / "global_step4"))["resume"]


def main() -> None:
    stage, folder = int(sys.argv[1]), Path(sys.argv[2])
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None  # it would be compiled, for a minute; gloo does
    deepspeed.init_distributed(dist_backend="gloo")
    engine = engine_of(stage)
    for number in range(1, 5):
        step(engine, number)
        if number % 2 == 0:
            engine.save_checkpoint(str(folder))
    expected = [step(engine, number) for number in (5, 6)]
    dist.barrier()
    told: list[Any] = [lose_and_restore(folder, sys.argv[3]) if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(told)
    engine = engine_of(stage)
    eval(told[0], {"engine": engine})
    assert engine.global_steps == 4
    assert [step(engine, number) for number in (5, 6)] == expected
    Path(folder.parent, f"rank-{dist.get_rank()}").write_text(told[0])


if __name__ == "__main__":
    main()
