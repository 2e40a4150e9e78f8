"""One of two ranks: `python -m tests.replicator.train.point_ranks RANK FOLDER URL`. Protected saves with a point."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from replicator.consistency.hooks import Functions
from replicator.train.dcp import RepositoryWriter
from replicator.train.protection import Protection


def main() -> None:
    rank, folder, url = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    progress = folder / f"progress-{rank}"

    def look() -> None:
        """What rank 1 says of its progress must not change while rank 0 holds it."""
        first = (folder / "progress-1").read_text()
        time.sleep(0.3)
        (folder / "looked").open("a").write(f"{first == (folder / 'progress-1').read_text()}\n")

    systems = [Functions("db", before=look, snapshot=lambda into: (into / "dump").write_text(progress.read_text()))]
    protection = Protection(
        url, workload="gpt", spool=folder / "spool", writer="standalone", preemption=False, wait_s=120, point=systems
    )
    protection.begin(folder / "out", ships=rank == 0)
    protection._points._barrier.timeout_s = 3.0

    def train(step: int) -> None:
        progress.write_text(str(step))

    def save(step: int, at: int) -> None:
        path = folder / "out" / f"checkpoint-{step}"
        if rank == 0:
            path.mkdir(parents=True)
            (path / "weights.bin").write_bytes(bytes([step]) * 1000)
        dist.barrier()
        point = protection._points.take(at)
        protection.take(path, step, None, point)
        for count in range(20):  # training goes on at once
            progress.write_text(f"{step}+{count}")
            time.sleep(0.005)

    train(1)
    save(1, 1)
    train(2)
    save(2, 2 if rank == 0 else 3)  # the ranks are at different steps
    train(3)
    save(3, 3)
    assert protection.end() == ()
    writer = RepositoryWriter(url, workload="dcp", step=4, spool=folder / "dcp", point=systems)
    dcp.save({"w": torch.ones(10)}, storage_writer=writer)
    beside = RepositoryWriter(url, workload="dcp", step=5, spool=folder / "dcp", point=systems)
    dcp.async_save({"w": torch.ones(10) * 2}, storage_writer=beside).result()
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
