"""The newest recovery point is in the folder, whatever else is: torn saves, damage, dead terms, checkpoints on their way."""

from __future__ import annotations

import shutil

import pytest

from replicator.errors import DataCorrupt, ReplicatorError, RepositoryUnknown
from replicator.log.entries import Open
from replicator.repository.establish import open_at
from replicator.repository.repository import Repository
from replicator.service.once import push_once
from replicator.stores.url import open_store
from replicator.train.resume import resume
from tests.replicator.train.rig import damage, made, on_its_way, saved, view


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "DRSTACK_RESUME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRSTACK_RESUME", "{}")


@pytest.fixture
def url(tmp_path):
    return made(tmp_path / "store")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def push(url, path, step, *more):
    repositories = [open_at(each, None) for each in (url, *more)]
    push_once(path, repositories, workload="gpt", step=step, writer="standalone")


def test_nothing_at_the_first_start(url, out):
    assert resume(out, url, workload="gpt") is None


def test_brings_the_newest_back_after_all_is_gone(url, out):
    for step in (1, 2):
        push(url, saved(out, step), step)
    before = (out / "checkpoint-2" / "weights.bin").read_bytes()
    shutil.rmtree(out)
    assert resume(out, url, workload="gpt") == str(out / "checkpoint-2")
    assert (out / "checkpoint-2" / "weights.bin").read_bytes() == before
    assert not (out / "checkpoint-1").exists()


def test_what_is_there_already_is_not_brought_again(url, out, caplog):
    path = saved(out, 1)
    push(url, path, 1)
    inode = (path / "weights.bin").stat().st_ino
    assert resume(out, url, workload="gpt") == str(path)
    assert (path / "weights.bin").stat().st_ino == inode
    assert "restoring" not in caplog.text


def test_a_file_comes_back_as_a_file(url, out):
    out.mkdir()
    path = out / "epoch=0-step=10.ckpt"
    path.write_bytes(b"ten" * 1000)
    push(url, path, 10)
    assert resume(out, url, workload="gpt") == str(path)
    path.write_bytes(b"damaged")
    assert resume(out, url, workload="gpt") == str(path)
    assert path.read_bytes() == b"ten" * 1000
    path.unlink()
    assert resume(out, url, workload="gpt") == str(path)
    assert path.is_file()


def test_a_save_that_was_cut_off_is_not_resumed_though_its_step_is_greater(url, out):
    push(url, saved(out, 1), 1)
    saved(out, 2)
    assert resume(out, url, workload="gpt") == str(out / "checkpoint-1")


def test_damage_on_the_spot_is_moved_aside_and_repaired(url, out):
    path = saved(out, 1)
    push(url, path, 1)
    (path / "weights.bin").write_bytes(b"torn")
    assert resume(out, url, workload="gpt") == str(path)
    assert (path / "weights.bin").stat().st_size == 50_000
    aside = list(out.glob(".checkpoint-1.replaced-*"))
    assert [(each / "weights.bin").read_bytes() for each in aside] == [b"torn"]


def test_what_is_on_its_way_is_newer_than_what_arrived(tmp_path, url, out):
    on_its_way(tmp_path / "store", url, out, 5)
    assert resume(out, url, workload="gpt") == str(out / "checkpoint-5")


def test_what_a_dead_term_left_on_its_way_is_not(tmp_path, url, out):
    on_its_way(tmp_path / "store", url, out, 5)
    log = Repository("west", open_store(url)).log("gpt")
    log.seal(1, reason="promoted")
    log.open(Open(term=2, writer="standalone", heads={"1": 1}))
    assert resume(out, url, workload="gpt") == str(out / "checkpoint-4")


def test_the_newest_of_several_repositories_is_taken_and_one_that_is_away_is_passed_over(tmp_path, url, out):
    far = made(tmp_path / "far")
    push(url, saved(out, 1), 1, far)
    push(far, saved(out, 2), 2)
    shutil.rmtree(out)
    assert resume(out, [url, far], workload="gpt") == str(out / "checkpoint-2")
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(out)
    assert resume(out, [url, far], workload="gpt") == str(out / "checkpoint-2")


def test_a_store_that_is_away_is_an_error_and_never_a_new_run(tmp_path, url, out):
    push(url, saved(out, 1), 1)
    shutil.rmtree(tmp_path / "store")
    shutil.rmtree(out)
    with pytest.raises(ReplicatorError):
        resume(out, url, workload="gpt")
    (tmp_path / "store").mkdir()
    with pytest.raises(RepositoryUnknown):
        resume(out, url, workload="gpt")


def test_damage_in_the_store_leaves_no_checkpoint_behind(tmp_path, url, out):
    push(url, saved(out, 1), 1)
    shutil.rmtree(out)
    damage(tmp_path / "store")
    with pytest.raises(DataCorrupt):
        resume(out, url, workload="gpt")
    assert not (out / "checkpoint-1").exists()


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, url, out, monkeypatch):
    from replicator.repository.repository import random_token
    from replicator.repository.ship import Push, ship
    from replicator.repository.snapshot import take_snapshot

    path = saved(out, 1)
    push(url, path, 1)
    snapshot = take_snapshot(path, ["weights.bin"])
    evil = Push("gpt", "../../escaped", 1, 2, 9, random_token(), b"s" * 16, 0.0)
    assert ship(evil, snapshot, Repository("here", open_store(url))) is not None
    assert view(url).in_order()[-1].what.name == "../../escaped"
    with pytest.raises(ReplicatorError, match="no name in"):
        resume(out, url, workload="gpt")


def test_ranks_that_have_not_joined_do_not_choose_each_for_itself(url, out, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ReplicatorError, match="have not joined"):
        resume(out, url, workload="gpt")


def test_ranks_that_this_process_launches_later_take_its_choice(url, out, monkeypatch):
    push(url, saved(out, 1), 1)
    chosen = resume(out, url, workload="gpt")
    push(url, saved(out, 2), 2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert resume(out, url, workload="gpt") == chosen
