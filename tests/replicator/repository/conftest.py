"""Set-up that several files of tests name."""

import pytest

from tests.replicator.repository.rig import cut_every


@pytest.fixture
def small_packs(monkeypatch):
    """Many blocks and packs of a small checkpoint."""
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 60_000)
    cut_every(16_000, monkeypatch)
    monkeypatch.setattr("replicator.repository.ladder.UNIT_BYTES", 40_000)
