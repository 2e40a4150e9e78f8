"""Two real ranks stand still for a point, go on when they cannot, and the commit says what became of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from replicator.repository.beside import read_beside
from replicator.repository.repository import Repository
from replicator.stores.url import open_store
from replicator.versions.explain import versions_of
from tests.replicator.train.rig import made, view


@pytest.mark.slow
def test_two_ranks_stand_still_for_a_point_or_go_on_without(tmp_path):
    url = made(tmp_path / "repo")
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-W", "ignore", "-m", "tests.replicator.train.point_ranks"]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1"}
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path), url], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=200)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)
    first, second, third = view(url).in_order()
    assert first.what.point.made
    assert not second.what.point.made
    assert second.what.point.reason == "rank 1 is at step 3, rank 0 at step 2"
    assert third.what.point.made
    saved, beside = view(url, "dcp").in_order()
    assert saved.what.point.made
    assert "async_save" in beside.what.point.reason
    assert set((tmp_path / "looked").read_text().split()) == {"True"}
    repository = Repository("there", open_store(url))
    assert read_beside(repository, first, "point/db/dump") == b"1"
    assert read_beside(repository, saved, "point/db/dump").startswith(b"3")
    for accepted in (first, saved):
        then = versions_of(repository, accepted)
        assert then.by == "trainer"
        assert then.run.world == 2
        assert "float32" in then.run.dtypes or accepted is first
    assert saved.what.versions.dtype == "float32"
    assert versions_of(repository, third).software.torch
