"""SIGKILL of the real replicator late in a push: what arrived before is not sent again.

What went over the wire is counted at the store's end of it, bodies that were cut short too, not by the replicator.
"""

from __future__ import annotations

import shutil

import pytest

from replicator.repository.verify import check_decoded
from replicator.service.config import Destination
from tests.faults.site import Site, until
from tests.faults.storm import storm
from tests.faults.tensors import write_tensors
from tools.cases import at_length

MIB = 1 << 20
SIZE = 2048 * MIB if at_length() else 24 * MIB
RATE = None if at_length() else 8e6
SHARE = 0.05
AT = (0.9, 0.5, 0.97)
"""Of the push: where it is killed, by seed."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.faults("resumed pushes", 1, 3)
def test_a_push_killed_late_sends_a_twentieth_again_at_most(tmp_path, cases):
    for seed in cases.seeds():
        root = tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            site = Site(root).prepare()
            far = Destination(name="west", url=sky.url("west"), ceiling_bytes_per_s=RATE)
            site.redirect("west", far)
            write_tensors(root / "east" / "ck" / "step-00000010" / "model.safetensors", SIZE, seed)

            site.start()
            late = AT[seed % len(AT)]
            assert until(lambda sky=sky, late=late: sky.counts().body_bytes >= late * SIZE, 600)
            site.kill()
            before = sky.counts().body_bytes
            assert not site.steps("west"), "the kill came too late to show anything"
            site.start()
            assert until(lambda site=site: site.steps("west") == [10], 600)
            site.kill()
            again = sky.counts().body_bytes - SIZE
            cases.found(
                f"of {SIZE / MIB:g} MiB killed at {before / SIZE:.1%}: {again / MIB:.2f} MiB ({again / SIZE:.2%}) sent again"
            )
            assert again <= SHARE * SIZE, f"seed {seed}"
            there = site.here("west")
            assert check_decoded(there, there.log("gpt").view().in_order()[0]).ok
        shutil.rmtree(root)
