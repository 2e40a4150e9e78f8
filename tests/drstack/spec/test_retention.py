"""`replication.keep`: a number and a mapping are read alike, and what keeps nothing is refused with the remedy."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from drstack.policies.declared import spare_checkpoints
from drstack.spec import json_schema
from tests.drstack.spec.declared import LOCAL, faults_of, parsed


def keep(text: str) -> str:
    return LOCAL + f"replication: {{keep: {text}}}\n"


@pytest.mark.parametrize(("text", "policy"), [
    ("7", 7), ("{last: 7}", 7), ("{daily: 7}", {"daily": 7}),
    ("{last: 2, hourly: 24, weekly: 5, monthly: 12, yearly: 3, min_age: 2h}",
     {"last": 2, "hourly": 24, "weekly": 5, "monthly": 12, "yearly": 3, "min_age_s": 7200.0}),
])  # fmt: skip
def test_both_forms_say_what_a_replicator_is_told(text, policy):
    read = parsed(keep(text))
    assert read.replication.keep.policy() == policy
    written = json.loads(read.model_dump_json(by_alias=True))
    assert parsed(keep(json.dumps(written["replication"]["keep"]))).replication.keep == read.replication.keep
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(keep(text)))


def test_left_out_it_is_twenty():
    assert parsed(LOCAL).replication.keep.policy() == 20


@pytest.mark.parametrize(("text", "field", "said"), [
    ("0", "replication.keep", "at least 1"), ("{}", "replication.keep", "write keep: 20, or keep: {daily: 7}"),
    ("{min_age: 2h}", "replication.keep", "what to keep"), ("true", "replication.keep", "a whole number or a mapping"),
    ("[7]", "replication.keep", "a whole number or a mapping"), ("{dayly: 7}", "replication.keep.dayly", "did you mean daily?"),
    ("{daily: 0}", "replication.keep.daily", "at least 1"), ("{last: soon}", "replication.keep.last", "a whole number"),
])  # fmt: skip
def test_what_keeps_nothing_is_refused_and_the_remedy_named(text, field, said):
    [fault] = faults_of(keep(text)).values()
    assert fault.field == field
    assert said in str(fault)


def test_a_policy_that_leaves_one_checkpoint_is_warned_of():
    assert list(spare_checkpoints(parsed(keep("{last: 1}"))))
    assert not list(spare_checkpoints(parsed(keep("{last: 1, daily: 7}"))))
