"""Two ranks, as torchrun launches them, of real trainers: one commit for a save, with the files of both, or none."""

from __future__ import annotations

import pytest

from replicator.repository.repository import Repository
from replicator.repository.verify import check_decoded
from replicator.stores.url import open_store
from replicator.train.resume import resume
from tests.replicator.train.launcher import Launcher
from tests.replicator.train.rig import made, on_its_way, steps, view

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def hugging_face():
    launcher = Launcher("tests.replicator.train.hf_ranks")
    yield launcher.run
    launcher.close()


@pytest.fixture(scope="module")
def lightning():
    launcher = Launcher("tests.replicator.train.lightning_ranks")
    yield launcher.run
    launcher.close()


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("DRSTACK_RESUME", "{}")
    return made(tmp_path / "store")


def said(folder):
    return [(folder / f"rank-{rank}").read_text() for rank in (0, 1)]


def files(url, workload):
    """Of each commit, all of whose bytes are there."""
    repository = Repository("there", open_store(url))
    commits = view(url, workload).in_order()
    assert all(check_decoded(repository, commit).ok for commit in commits)
    return [{file.path for file in repository.manifest(commit.where.manifest).files} for commit in commits]


def test_hugging_face_resumes_bit_for_bit_from_one_commit_a_save(hugging_face, url, tmp_path):
    given = {"url": url, "folder": str(tmp_path)}
    assert hugging_face("whole", out=str(tmp_path / "whole"), **given) == {}
    expected = said(tmp_path)
    assert expected[0].count(",") == 5
    assert steps(url, "whole") == [3, 6]
    for held in files(url, "whole"):
        assert held >= {"rng_state_0.pth", "rng_state_1.pth", "trainer_state.json", "optimizer.pt"}
    assert hugging_face("continued", out=str(tmp_path / "again"), **given) == {}
    assert said(tmp_path) == expected
    assert steps(url, "again") == [3, 6]
    assert hugging_face("apart", out=str(tmp_path), **given) == {}
    assert said(tmp_path) == expected
    assert not (tmp_path / "node-1" / "run" / "checkpoint-6" / "model.safetensors").exists()
    for held in files(url, "run"):
        assert held >= {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt"}
    assert steps(url, "run") == [3, 6]


def test_what_one_node_has_in_its_spool_is_not_resumed_by_ranks_that_cannot_see_it(hugging_face, url, tmp_path):
    on_its_way(tmp_path / "store", url, tmp_path / "node-0" / "run", 2, workload="run")
    given = {"url": url, "folder": str(tmp_path), "out": str(tmp_path)}
    assert hugging_face("unshipped", **given) == {}
    assert said(tmp_path) == [str(tmp_path / f"node-{rank}" / "run" / "checkpoint-1") for rank in (0, 1)]
    (tmp_path / "store" / "log" / "run" / f"{2:020d}").unlink()  # nothing was ever shipped
    assert hugging_face("unshipped", **given) == {}
    assert all("on one node only" in each for each in said(tmp_path))


def test_hugging_face_preempted_at_one_rank_saves_once_and_all_ranks_ask_to_be_resumed(hugging_face, url, tmp_path):
    failed = hugging_face("preempted", url=url, out=str(tmp_path / "out"), folder=str(tmp_path))
    assert set(failed.values()) == {75}
    assert said(tmp_path) == ["75", "75"]
    (step,) = steps(url, "out")
    assert 3 <= step < 40
    assert files(url, "out")[0] >= {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt"}


def test_hugging_face_killed_at_one_rank_in_a_save_leaves_nothing_torn(hugging_face, url, tmp_path):
    failed = hugging_face("killed", url=url, out=str(tmp_path / "out"), folder=str(tmp_path))
    assert failed
    assert (tmp_path / "rank-1").read_text() == "killed"
    assert (tmp_path / "out" / "checkpoint-6").is_dir()
    assert steps(url, "out") == [3]
    assert resume(tmp_path / "out", url) == str(tmp_path / "out" / "checkpoint-3")


@pytest.mark.parametrize("sharded", [False, True])
def test_lightning_resumes_bit_for_bit_from_one_commit_a_save(lightning, url, tmp_path, sharded):
    given = {"url": url, "folder": str(tmp_path), "sharded": sharded}
    assert lightning("whole", out=str(tmp_path / "whole"), **given) == {}
    expected = said(tmp_path)
    assert expected[0].count(",") == 5
    assert expected[0] != expected[1]
    assert steps(url, "whole") == [3, 6]
    for held in files(url, "whole"):
        assert len(held) == 1 or held == {".metadata", "meta.pt", "__0_0.distcp", "__1_0.distcp"}
        assert (len(held) > 1) == sharded
    assert lightning("continued", out=str(tmp_path / "again"), **given) == {}
    assert said(tmp_path) == expected
    assert steps(url, "again") == [3, 6]


@pytest.mark.parametrize("sharded", [False, True])
def test_lightning_preempted_at_one_rank_saves_once_and_all_ranks_ask_to_be_resumed(lightning, url, tmp_path, sharded):
    failed = lightning("preempted", url=url, out=str(tmp_path / "out"), folder=str(tmp_path), sharded=sharded)
    assert set(failed.values()) == {75}
    assert said(tmp_path) == ["75", "75"]
    (step,) = steps(url, "out")
    assert 3 <= step < 40


def test_lightning_killed_at_one_rank_in_a_sharded_save_leaves_nothing_torn(lightning, url, tmp_path):
    failed = lightning("killed", url=url, out=str(tmp_path / "out"), folder=str(tmp_path))
    assert failed
    assert (tmp_path / "rank-1").read_text() == "killed"
    assert steps(url, "out") == [3]
    assert resume(tmp_path / "out", url) == str(tmp_path / "out" / "epoch=0-step=3.ckpt")
