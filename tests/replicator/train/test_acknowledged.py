"""RPO 0 from within a trainer: a save returns when the near repository has it, with receipts, and stalls while it is down."""

from __future__ import annotations

import threading
import time

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException

from replicator.errors import NotAcknowledged, ReplicatorError
from replicator.log.entries import Open
from replicator.repository.repository import Repository
from replicator.repository.verify import verify
from replicator.stores.url import open_store
from replicator.train.dcp import RepositoryWriter
from replicator.train.protection import Protection
from tests.replicator.train.rig import made, saved, steps, until

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def urls(tmp_path):
    return [made(tmp_path / "store"), made(tmp_path / "near")]


@pytest.fixture
def protect(tmp_path):
    begun = []

    def protect(urls, **more):
        begun.append(Protection(urls, workload="gpt", spool=None, writer="east", preemption=False, wait_s=60.0, **more))
        begun[-1].begin(tmp_path / "out", ships=True)
        return begun[-1]

    yield protect
    for each in begun:
        each.abandon()


def there(url):
    return Repository("there", open_store(url))


def receipts(url, level="stored"):
    repository = there(url)
    return [repository.receipts.levels("gpt", a.slot, (level,))[level] for a in repository.log("gpt").view().in_order()]


def test_a_submitted_save_is_there_with_a_receipt_when_it_returns(tmp_path, urls, protect):
    protection = protect(urls, near=urls[1])
    for step in (1, 2):
        protection.submit(saved(tmp_path / "out", step), step)
        assert steps(urls[1])[-1] == step
        assert receipts(urls[1])[-1]


@pytest.mark.slow
def test_with_its_near_repository_down_a_save_stalls_and_goes_on_when_it_is_back(tmp_path, urls, protect):
    protection = protect(urls, near=urls[1])
    protection.submit(saved(tmp_path / "out", 1), 1)
    (tmp_path / "near").rename(tmp_path / "away")
    waiting = threading.Thread(target=protection.submit, args=(saved(tmp_path / "out", 2), 2), daemon=True)
    waiting.start()
    until(lambda: steps(urls[0]) == [1, 2], "the other one has it")
    time.sleep(0.7)
    assert waiting.is_alive()
    (tmp_path / "away").rename(tmp_path / "near")
    waiting.join(60)
    assert not waiting.is_alive()
    assert receipts(urls[1]) == [True, True]


def test_with_patience_the_run_ends_instead_and_the_save_is_not_acknowledged(tmp_path, urls, protect):
    protection = protect(urls, near=urls[1], patience_s=0.5)
    (tmp_path / "near").rename(tmp_path / "away")
    with pytest.raises(NotAcknowledged, match="step 1 within"):
        protection.submit(saved(tmp_path / "out", 1), 1)


def test_a_save_that_cannot_be_taken_is_never_acknowledged(tmp_path, urls, protect):
    protection = protect(urls, near=urls[1])
    with pytest.raises(NotAcknowledged, match="rank 1 saved elsewhere"):
        protection.submit(saved(tmp_path / "out", 1), 1, lambda: "rank 1 saved elsewhere")


def test_without_near_a_save_waits_for_nobody(tmp_path, urls, protect):
    protection = protect(urls)
    (tmp_path / "near").rename(tmp_path / "away")
    protection.submit(saved(tmp_path / "out", 1), 1)


def test_a_near_repository_that_is_not_shipped_to_is_refused(urls):
    with pytest.raises(ReplicatorError, match="none of the repositories"):
        Protection(
            urls[0], workload=None, spool=None, writer="east", preemption=False, wait_s=1.0, near=urls[1]
        )  # fmt: skip


def dcp_save(url, step=1, **more):
    state = {"w": torch.arange(1000, dtype=torch.float32)}
    dcp.save(state, storage_writer=RepositoryWriter(url, workload="gpt", step=step, writer="east", **more))


def test_a_dcp_save_returns_with_a_receipt_of_the_near_repository(urls):
    dcp_save(urls, near=urls[1])
    assert receipts(urls[1]) == [True]
    assert receipts(urls[0]) == [False]


@pytest.mark.slow
def test_in_an_environment_the_receipts_are_its_verifiers_to_give(tmp_path):
    url = made(tmp_path / "west", environment="e")
    there(url).log("gpt").open(Open(term=1, writer="east"))
    with pytest.raises(CheckpointException, match=r"does not acknowledge step 1 within 0\.5 s: no receipt yet"):
        dcp_save(url, near=url, patience_s=0.5)

    def verifier():
        until(lambda: steps(url) == [1, 2], "it is committed")
        verify(there(url), "gpt", there(url).log("gpt").view().in_order()[-1], "west")

    beside = threading.Thread(target=verifier, daemon=True)
    beside.start()
    dcp_save(url, step=2, near=url)
    beside.join(10)
    assert receipts(url, "decoded") == [False, True]


def test_a_seal_ends_the_wait(tmp_path):
    url = made(tmp_path / "west", environment="e")
    there(url).log("gpt").open(Open(term=1, writer="east"))

    def promoter():
        until(lambda: steps(url) == [1], "it is committed")
        there(url).log("gpt").seal(1, reason="promotion")
        verify(there(url), "gpt", there(url).log("gpt").view().in_order()[-1], "west")

    beside = threading.Thread(target=promoter, daemon=True)
    beside.start()
    with pytest.raises(CheckpointException, match="sealed before the receipts"):
        dcp_save(url, near=url)
    beside.join(10)
