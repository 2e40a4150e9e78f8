"""An operation begins only where none runs, also if another begins between the look and the slot."""

from __future__ import annotations

import pytest

from drstack.errors import OperationConflict
from drstack.recovery import operation
from drstack.recovery.operation import begin, unfinished
from tests.drstack.recovery.fleet import Fleet


def plan_to(target):
    return {"base": 1, "target": target, "kind": "promote", "environment": "e", "workloads": []}


@pytest.mark.parametrize("target", ["west", "north"])
def test_one_that_another_began_between_the_look_and_the_slot_is_joined_or_in_the_way(tmp_path, monkeypatch, target):
    witness = Fleet(tmp_path).witness()
    others = []

    def look(there):
        found = unfinished(there)
        if not others:
            others.append(there.journal(1, 1).begin(plan_to("west")))
        return found

    monkeypatch.setattr(operation, "unfinished", look)
    if target == "west":
        journal, ours = begin(witness, plan_to("west"))
        assert (journal.identity, ours) == ("1-1", False)
    else:
        with pytest.raises(OperationConflict, match="promote to west"):
            begin(witness, plan_to("north"))
    assert others == [True]
    assert len(witness.journals(1)) == 1
