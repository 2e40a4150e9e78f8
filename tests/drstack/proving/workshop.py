"""Trains a tiny run of 12 steps in FOLDER/sound, and saves its step 8 again with one thing wrong, once for each way.

`python workshop.py FOLDER`: one start of torch for all of them.
"""

import shutil
import sys
import time
from pathlib import Path

import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from examples.train.folder import Found, folder_of  # noqa: E402
from examples.train.metrics import Metrics  # noqa: E402
from examples.train.options import parse  # noqa: E402
from examples.train.state import Training  # noqa: E402
from examples.train.train import train  # noqa: E402
from examples.train.world import join  # noqa: E402

TINY = ("--layers", "1", "--width", "32", "--heads", "2", "--context", "32", "--batch", "2")
EPSILON = 1e-4
AT = 8


def tensor(state):
    weights = next(value for name, value in state["model"].items() if name.endswith("mlp_in.weight"))
    weights.to_local().view(-1)[0] += EPSILON


def loader(state):
    state["loader"]["position"].zero_()


def rng(state):
    state["rng"]["rank0"]["cpu"] = torch.Generator().manual_seed(99).get_state()


def optimizer(state):
    for moments in state["optim"]["state"].values():
        moments["exp_avg_sq"].to_local().mul_(0.5)


def main(folder: Path) -> None:
    sound = folder / "sound"
    given = [*TINY, "--checkpoints", str(sound), "--metrics", str(folder / "metrics.jsonl")]
    options = parse([*given, "--steps", "12", "--every", "4"], {}, time.time())
    world = join()
    train(options, world, Metrics(options.metrics, speaks=True))
    source = folder_of(sound, AT)
    for damage in (tensor, loader, rng, optimizer):
        training = Training(options, world)
        assert training.resume(Found(AT, source, None))
        state = training.state()
        damage(state)
        made = folder_of(folder / damage.__name__, AT)
        save(state, storage_writer=FileSystemWriter(made), process_group=world.checkpoint_group)
        shutil.copy(source / "losses.jsonl", made)
    world.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
