"""What the recovery point was made with stands in the status and in the end record of its promotion."""

from __future__ import annotations

import pytest

from drstack.recovery.conduct import look, promote
from drstack.recovery.plan import Given
from drstack.recovery.status import status
from replicator.model import Versions
from tests.drstack.recovery.world import Rig


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_status_and_the_end_record_name_what_the_recovery_point_was_made_with(rig):
    rig.save(10)
    world = rig.world()
    assert status("e", look(world), world.needs, None)["workloads"]["gpt"]["recovery_point"]["made_with"] is None
    rig.save(20, versions=Versions(by="trainer", commit="a" * 40, dirty=True, torch="2.9.0", world=8))
    said = status("e", look(world), world.needs, None)["workloads"]["gpt"]["recovery_point"]["made_with"]
    assert said == "code aaaaaaaaaaaa+, torch 2.9.0, 8 ranks"
    assert promote(rig.world(), "west", Given(by="test"))["workloads"][0]["made_with"] == said
