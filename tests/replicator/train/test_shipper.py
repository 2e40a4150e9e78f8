"""What a trainer submitted is committed, or named: through stores that are away, kills, and trainers that prune."""

from __future__ import annotations

import logging
import shutil

import pytest

from replicator.errors import ReplicatorError, RepositoryUnknown
from replicator.log.entries import Open
from replicator.repository.repository import Repository
from replicator.stores.url import open_store
from replicator.train.shipper import Shipper
from tests.replicator.train.rig import PATIENCE_S, made, saved, steps, until, view


@pytest.fixture
def url(tmp_path):
    return made(tmp_path / "store")


@pytest.fixture
def start(tmp_path):
    running = []

    def start(*urls, workload="gpt"):
        running.append(Shipper(urls, workload=workload, spool=tmp_path / "out" / ".drstack-spool"))
        return running[-1]

    yield start
    for each in running:
        each.close()


def test_ships_what_the_trainer_prunes_at_once(tmp_path, url, start):
    shipper = start(url)
    for step in (1, 2, 3):
        path = saved(tmp_path / "out", step)
        assert shipper.submit(path, step)
        shutil.rmtree(path)
    assert shipper.wait(PATIENCE_S) == ()
    assert steps(url) == [1, 2, 3]
    assert list((tmp_path / "out" / ".drstack-spool" / "gpt").glob("[0-9]*")) == []


@pytest.mark.slow
def test_a_store_that_is_away_holds_no_other_up_and_gets_all_when_it_is_back(tmp_path, url, start, caplog):
    far = made(tmp_path / "far")
    shipper = start(url, far)
    shipper.submit(saved(tmp_path / "out", 1), 1)
    assert shipper.wait(PATIENCE_S) == ()
    (tmp_path / "far").rename(tmp_path / "gone")
    shipper.submit(saved(tmp_path / "out", 2), 2)
    until(lambda: steps(url) == [1, 2], "the near one has it")
    until(lambda: [(m.step, m.repository) for m in shipper.wait(0)] == [(2, far)], "only the one that is away lacks it")
    (tmp_path / "gone").rename(tmp_path / "far")
    assert shipper.wait(PATIENCE_S) == ()
    assert steps(far) == [1, 2]
    assert [a.what.id() for a in view(far).in_order()] == [a.what.id() for a in view(url).in_order()]


@pytest.mark.slow
def test_what_a_killed_run_left_in_the_spool_is_shipped_by_the_next(tmp_path, url, start):
    first = start(url)
    first.submit(saved(tmp_path / "out", 1), 1)
    assert first.wait(PATIENCE_S) == ()
    (tmp_path / "store").rename(tmp_path / "gone")
    first.submit(saved(tmp_path / "out", 2), 2)
    spool = tmp_path / "out" / ".drstack-spool" / "gpt"
    until(lambda: list(spool.glob("1.2-*")), "it is in the spool")
    first.close()
    (tmp_path / "gone").rename(tmp_path / "store")
    assert start(url).wait(PATIENCE_S) == ()
    assert steps(url) == [1, 2]


def test_starts_though_the_store_is_away_and_says_so(tmp_path, url, start, caplog):
    (tmp_path / "store").rename(tmp_path / "gone")
    shipper = start(url)
    assert "nothing is protected" in caplog.text
    shipper.submit(saved(tmp_path / "out", 1), 1)
    assert len(shipper.wait(0)) == 1
    (tmp_path / "gone").rename(tmp_path / "store")
    assert shipper.wait(PATIENCE_S) == ()


def test_a_lost_spool_numbers_above_what_is_there(tmp_path, url, start):
    first = start(url)
    first.submit(saved(tmp_path / "out", 1), 1)
    assert first.wait(PATIENCE_S) == ()
    first.close()
    shutil.rmtree(tmp_path / "out")
    second = start(url)
    second.submit(saved(tmp_path / "out", 2), 2)
    assert second.wait(PATIENCE_S) == ()
    assert [str(a.what.id()) for a in view(url).in_order()] == ["1.1", "1.2"]


def test_torn_and_missing_checkpoints_are_named_and_harm_nothing(tmp_path, url, start, caplog):
    shipper = start(url)
    torn = saved(tmp_path / "out", 1)
    (torn / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert not shipper.submit(torn, 1)
    assert not shipper.submit(tmp_path / "out" / "checkpoint-2", 2)
    shipper.submit(saved(tmp_path / "out", 3), 3)
    assert [each.step for each in shipper.wait(PATIENCE_S)] == [1, 2]
    assert steps(url) == [3]
    assert "step 1 is not in" in caplog.text


@pytest.mark.slow
def test_a_rewrite_in_place_is_given_up_and_named(tmp_path, url, start):
    shipper = start(url)
    shipper.submit(saved(tmp_path / "out", 1), 1)
    assert shipper.wait(PATIENCE_S) == ()
    (tmp_path / "store").rename(tmp_path / "gone")
    path = saved(tmp_path / "out", 2)
    shipper.submit(path, 2)
    until(lambda: list((tmp_path / "out" / ".drstack-spool" / "gpt").glob("1.2-*")), "it is in the spool")
    (path / "weights.bin").write_bytes(b"other")
    (tmp_path / "gone").rename(tmp_path / "store")
    assert [each.step for each in shipper.wait(PATIENCE_S)] == [2]
    assert steps(url) == [1]


def test_a_seal_ends_shipping_and_is_said(tmp_path, url, start, caplog):
    shipper = start(url)
    shipper.submit(saved(tmp_path / "out", 1), 1)
    assert shipper.wait(PATIENCE_S) == ()
    Repository("west", open_store(url)).log("gpt").seal(1, reason="promoted")
    shipper.submit(saved(tmp_path / "out", 2), 2)
    missing = shipper.wait(PATIENCE_S)
    assert [each.step for each in missing] == [2]
    assert "sealed" in missing[0].why
    assert steps(url) == [1]


def test_a_url_without_a_repository_is_an_error_before_the_training(tmp_path, start):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RepositoryUnknown, match="holds no repository"):
        start((tmp_path / "empty").as_uri())


def test_a_writer_that_was_replaced_does_not_start(tmp_path, start):
    url = made(tmp_path / "store", environment="prod")
    Repository("east", open_store(url)).log("gpt").open(Open(term=1, writer="east"))
    with pytest.raises(ReplicatorError, match="east writes there, not standalone"):
        start(url)


def test_two_do_not_share_a_spool(url, start):
    start(url)
    with pytest.raises(ReplicatorError, match="another process ships"):
        start(url)


def test_a_suspect_checkpoint_is_shipped_and_said(tmp_path, url, start, caplog):
    import numpy as np
    from safetensors.numpy import save_file

    caplog.set_level(logging.ERROR)
    shipper = start(url)
    path = tmp_path / "out" / "checkpoint-1"
    path.mkdir(parents=True)
    save_file({"w": np.full(5000, np.nan, np.float32)}, path / "model.safetensors")
    (path / "trainer_state.json").write_text('{"global_step": 1}')
    shipper.submit(path, 1)
    assert shipper.wait(PATIENCE_S) == ()
    assert view(url).in_order()[0].what.suspect
    assert "step 1 is SUSPECT (nan)" in caplog.text
