"""torch DCP on a repository: any number of ranks, complete or absent, and nothing unpickled that no commit vouches for."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner

from replicator.errors import ReplicatorError
from replicator.repository.establish import open_at
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.verify import verify
from replicator.service.once import push_once
from replicator.stores.url import open_store
from replicator.train.dcp import RepositoryReader, RepositoryWriter
from replicator.train.dcp.writer import attempt_of
from tests.replicator.train.rig import PATIENCE_S, damage, made, steps, view

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def url(tmp_path):
    return made(tmp_path / "store")


def state(step, rows=1000):
    whole = torch.arange(rows * 200, dtype=torch.float32).reshape(rows, 200)
    return {"model": {"w": whole + step}, "step": torch.tensor(step), "run": {"lr": step / 10}}


def save(url, step, **more):
    writer = RepositoryWriter(url, workload="gpt", step=step)
    dcp.save(state(step), storage_writer=writer, **more)
    return writer.committed


def blank():
    return {"model": {"w": torch.full((1000, 200), -1.0)}, "step": torch.tensor(-1), "run": {"lr": -1.0}}


def load(url, checkpoint="latest"):
    into = blank()
    dcp.load(into, storage_reader=RepositoryReader(url, workload="gpt", checkpoint=checkpoint))
    return into


def same(left, right):
    return torch.equal(left["model"]["w"], right["model"]["w"]) and left["run"] == right["run"]


def test_what_was_saved_is_loaded_and_named(url, tmp_path):
    assert [save(url, 1), save(url, 2)] == ["1.1", "1.2"]
    assert same(load(url), state(2))
    assert same(load(url, "step:1"), state(1))
    reader = RepositoryReader(url, workload="gpt")
    assert (reader.step, reader.commit) == (2, "1.2")
    assert view(url).pins == {}


def test_it_is_a_checkpoint_like_any_other(url, tmp_path):
    save(url, 1)
    repository = Repository("here", open_store(url))
    accepted = view(url).in_order()[0]
    assert all(verdict.ok for verdict in verify(repository, "gpt", accepted, "test"))
    restore(repository, accepted, tmp_path / "step-1")
    into = blank()
    dcp.load(into, checkpoint_id=str(tmp_path / "step-1"))
    assert same(into, state(1))
    tensors = repository.manifest(accepted.where.manifest).tensors
    assert {(t.name, t.dtype, t.global_shape) for t in tensors} >= {("model.w", "float32", (1000, 200))}


def test_several_repositories_get_the_same_commit(url, tmp_path):
    save(url, 1)
    far = made(tmp_path / "far")
    writer = RepositoryWriter([url, far], workload="gpt")
    dcp.save(state(2), checkpoint_id="run/step-2", storage_writer=writer)
    assert writer.committed == "1.2"
    assert [a.what.id() for a in view(far).in_order()] == [(1, 2)]
    assert same(load(far), state(2))


def test_one_writer_saves_again_and_again_in_the_background(url):
    writer = RepositoryWriter(url, workload="gpt")
    for step in (1, 2):
        os.environ.pop("RANK", None)
        kept = state(step)
        future = dcp.async_save(kept, checkpoint_id=f"step-{step}", storage_writer=writer, no_dist=True)
        kept["model"]["w"].zero_()
        future.result()
    assert steps(url) == [1, 2]
    assert same(load(url), state(2))


def test_nan_makes_it_suspect_and_latest_passes_it_over(url):
    save(url, 1)
    bad = state(2)
    bad["model"]["w"][3] = float("nan")
    dcp.save(bad, storage_writer=RepositoryWriter(url, workload="gpt", step=2))
    assert [finding.reason for finding in view(url).in_order()[1].what.findings] == ["nan"]
    assert same(load(url), state(1))


@pytest.mark.slow
def test_two_ranks_save_as_one_and_a_killed_rank_leaves_nothing(url, tmp_path):
    save(url, 1)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "DRSTACK_ATTEMPT": "run.0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.replicator.train.dcp_ranks"]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path), url], env=environment, stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    try:
        said = [rank.communicate(timeout=4 * PATIENCE_S)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert said == ["saved\n", "saved\n"]
    assert ranks[1].returncode == -9
    assert ranks[0].returncode not in (0, None)
    assert steps(url) == [1, 2, 3]
    assert all(a.what.attempt.startswith("run.0.") for a in view(url).in_order()[1:])
    for step in (2, 3):
        assert same(load(url, f"step:{step}") | {"run": {"lr": step}}, state(step) | {"run": {"lr": step}})
    assert save(url, 5) == "1.4"
    assert list((tmp_path / "spool").glob("*/files/*")) != []
    dcp.save(state(6), storage_writer=RepositoryWriter(url, workload="gpt", step=6, spool=tmp_path / "spool"))
    assert list((tmp_path / "spool").iterdir()) == []


def test_damage_stops_a_load_before_any_tensor_changes(url, tmp_path):
    save(url, 1)
    damage(tmp_path / "store")
    into = blank()
    with pytest.raises(CheckpointException, match="pack"):
        dcp.load(into, storage_reader=RepositoryReader(url, workload="gpt"))
    assert same(into, blank())


class Evil:
    def __reduce__(self):
        return (Path.write_text, (Path(os.environ["DRSTACK_TEST_EVIL"]), "ran"))


def test_metadata_with_a_class_that_is_not_listed_is_never_unpickled(url, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    monkeypatch.setenv("DRSTACK_TEST_EVIL", str(mark))
    folder = tmp_path / "step-1"
    dcp.save(state(1), checkpoint_id=str(folder))
    push_once(folder, [open_at(url, None)], workload="gpt", step=1, writer="standalone")
    (folder / ".metadata").write_bytes(pickle.dumps(Evil()))
    from replicator.repository.repository import random_token
    from replicator.repository.ship import Push, ship
    from replicator.repository.snapshot import take_snapshot

    names = sorted(path.name for path in folder.iterdir())
    evil = Push("gpt", "step-2", 1, 2, 2, random_token(), b"s" * 16, 0.0)
    assert ship(evil, take_snapshot(folder, names), Repository("here", open_store(url))) is not None
    with pytest.raises(CheckpointException, match="not unpickled"):
        dcp.load(blank(), storage_reader=RepositoryReader(url, workload="gpt", checkpoint="step:2"))
    assert not mark.exists()
    assert same(load(url, "step:1"), state(1))


def test_what_is_no_dcp_checkpoint_is_said_to_be_none(url, tmp_path):
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"1")
    push_once(folder, [open_at(url, None)], workload="gpt", step=1, writer="standalone")
    with pytest.raises(CheckpointException, match="no DCP checkpoint"):
        dcp.load(blank(), storage_reader=RepositoryReader(url, workload="gpt"))


def test_a_sealed_log_refuses_the_save_and_shows_nothing(url):
    save(url, 1)
    Repository("west", open_store(url)).log("gpt").seal(1, reason="promoted")
    with pytest.raises(CheckpointException, match="sealed"):
        save(url, 2)
    assert steps(url) == [1]


@pytest.mark.parametrize(
    ("made_with", "saved_with", "says"),
    [
        ({}, {}, "needs the training step"),
        ({}, {"checkpoint_id": "final"}, "does not end in a step"),
        ({"step": 1}, {"use_collectives": False}, "use_collectives"),
        ({"step": 1}, {"planner": "caching"}, "plan_caching"),
    ],
)
def test_use_that_could_not_commit_is_refused(url, made_with, saved_with, says):
    if "planner" in saved_with:
        saved_with = {"planner": DefaultSavePlanner(enable_plan_caching=True)}
    with pytest.raises((ReplicatorError, CheckpointException), match=says):
        dcp.save(state(1), storage_writer=RepositoryWriter(url, workload="gpt", **made_with), **saved_with)
    assert steps(url) == []


def test_a_url_without_a_repository_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointException, match="holds no repository"):
        save((tmp_path / "empty").as_uri(), 1)


def test_the_launchers_attempt_names_the_start_and_never_a_path():
    assert attempt_of("run.0", "f" * 32) == "run.0." + "f" * 32
    assert attempt_of(None, "f" * 32) == "f" * 32
    for bad in ("a/b", "../x", "a b"):
        with pytest.raises(ReplicatorError, match="DRSTACK_ATTEMPT"):
            attempt_of(bad, "f" * 32)
