"""The prover as a program of a real site: it looks, says what it found, and never stands in a fence's way."""

from __future__ import annotations

import pytest

from drstack.errors import ActuatorFailed
from drstack.platforms.local.programs import PROVER
from drstack.platforms.local.prover import ProverConfig, read_config
from drstack.platforms.local.proving import ensure_prover, prover_drift, remove_prover
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.stores.url import open_store

CONFIG = ProverConfig(workloads=("gpt",), every_s=0.2, steps=3, timeout_s=60)
PATIENCE_S = 60


def said(site, words):
    last = {}

    def look():
        nonlocal last
        last = dict(site.observe(deadline_s=5).proving)
        return words in last.get("gpt", "")

    assert Deadline(PATIENCE_S).until(look, 0.1), last


@pytest.mark.slow
def test_it_says_what_it_finds_and_rests_while_its_own_site_writes(site, folder):
    store = open_store(folder.store.as_uri())
    initialise(store, environment=None, witness=None, clock=lambda: 0.0, token=random_token)
    ensure_prover(folder, CONFIG)
    said(site, "its log is not open here")
    log = Repository("east", store).log("gpt")
    log.open(Open(term=1, writer="west"))
    said(site, "there is no checkpoint")
    log.seal(1, reason="test")
    log.open(Open(term=2, writer="east"))
    said(site, "this site writes it")
    pid = Supervisor(folder).programs()[PROVER].pid
    ensure_prover(folder, CONFIG)
    assert Supervisor(folder).programs()[PROVER].pid == pid, "it was restarted though nothing changed"
    assert prover_drift(folder, CONFIG) == []
    assert prover_drift(folder, None) == ["the prover was told otherwise"]
    assert site.fence(deadline_s=20).grade == "proven"
    ensure_prover(folder, CONFIG)
    assert not Supervisor(folder).programs()[PROVER].up, "it was started at a fenced site"
    remove_prover(folder)
    assert PROVER not in Supervisor(folder).programs()
    assert site.observe(deadline_s=5).proving == {}


@pytest.mark.slow
def test_what_it_is_told_wrong_is_named(folder):
    folder.prover_config.write_text('{"workloads": ["gpt"], "every_s": 0, "steps": 3}')
    with pytest.raises(ActuatorFailed, match=r"every_s: .*timeout_s: "):
        read_config(folder)
