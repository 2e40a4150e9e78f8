"""While the witness is away an operator still sees who runs, what would be lost, and what a promotion without it would do."""

from __future__ import annotations

import json

import pytest

from drstack.cli.status import _away, _render
from drstack.errors import WitnessUnreachable
from drstack.readiness.away import seen
from drstack.readiness.gathering import nothing_seen
from drstack.readiness.judge import judge
from drstack.recovery.conduct import promote
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.test_without_witness import GIVEN, stand_in

ERROR = WitnessUnreachable("s3://witness: connection refused")


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",), places=("east", "west", "north"))
    made.save()
    return made


def look(fleet):
    return seen(fleet.world(witness=stand_in(fleet, "west", touch=False)))


def printed(away) -> str:
    readiness = judge(nothing_seen("e", "s3://witness", 0.0, ERROR))
    document = json.loads(json.dumps(_away(away, ERROR)))
    return _render(document, readiness)


def test_it_is_told_who_runs_what_would_be_lost_and_what_each_promotion_would_do(fleet):
    text = printed(look(fleet))
    assert text.startswith("THE WITNESS CANNOT BE READ: s3://witness: connection refused.\n")
    assert "If east died now: " in text
    assert "a: east writes, term 1, step 10" in text
    for target in ("west", "north"):
        assert f"Promoting {target} without the witness:\n  a runs at east now" in text
        assert f"drstack promote e --to {target} --without-witness --reason '…' --plan --as tree" in text
    assert "first east has to be fenced, as proven" in text
    assert "Promoting east" not in text


def held(fleet):
    return {
        name: [sorted(store.list(top)) for top in ("log", "receipts", "e", "without-witness")]
        for name, store in fleet.stores.items()
    }


def test_nothing_was_written_anywhere(fleet):
    before = held(fleet)
    look(fleet)
    assert held(fleet) == before


def test_what_is_refused_says_why_and_what_to_type(fleet):
    fleet.sites["west"].reachable = False
    away = look(fleet)
    told = away.document()["without_witness"]["promotions"]
    assert (told["west"]["possible"], told["north"]["possible"]) == (False, True)
    assert "west cannot be reached" in told["west"]["why"]
    assert "Promoting west without the witness: west cannot be reached: taken away" in printed(away)


def test_the_one_site_that_could_be_promoted_is_named_in_the_hint_of_the_error(fleet):
    fleet.sites["west"].reachable = False
    error = WitnessUnreachable("away")
    _away(look(fleet), error)
    assert "drstack promote e --to north --without-witness" in (error.hint or "")


def test_an_operation_that_went_on_without_and_did_not_end_is_told(fleet):
    def killed(act):
        if act == "start a":
            raise RuntimeError("killed")

    fleet.sites["west"].trouble = killed
    with pytest.raises(RuntimeError):
        promote(fleet.world(witness=stand_in(fleet, "west")), "west", GIVEN)
    away = look(fleet)
    assert any("operation 1-1 (promote to west, begun by ana" in each for each in away.running)
    assert "goes on without the witness, and has not ended" in printed(away)
    assert away.facts.workloads["a"].writer == "west"
