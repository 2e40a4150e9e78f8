"""Checks and diffs are pure: no folder, no engine."""

import sys

import pytest

from drstack.provider.checkpoint_repository import CheckpointRepository
from drstack.provider.job import Job
from drstack.provider.kind import check_inputs, differences, parse
from drstack.provider.replicator_service import Replicator
from drstack.provider.site import Site
from drstack.provider.site_descriptor import SiteDescriptor
from drstack.provider.values import UNKNOWN, plain_map, wire_map
from drstack.provider.worker_pool import WorkerPool

SITE = {"folder": "/srv/east", "environment": "gpt", "site": "east", "owner": "o/p/s"}
POOL = {"folder": "/srv/east", "minSlots": 0, "maxSlots": 5, "initialSlots": 1}
DESCRIPTOR = {
    "environment": "gpt", "site": "east", "owner": "o/p/s", "folder": "/srv/east", "repository": "file:///srv/east/store",
    "capacity": {"minimum": 0, "maximum": 5}, "workloads": {"gpt": {"checkpoints": "/c", "metrics": "/m", "ranks": 2}},
}  # fmt: skip
JOB = {"folder": "/srv/east", "workload": "gpt", "module": "examples.train", "ranks": 2, "checkpoints": "c/gpt"}


def described(**more):
    return {"witness": "file:///w", "environment": "gpt", "site": "east", "descriptor": {**DESCRIPTOR, **more}}


def failed(kind, new, old=None):
    return {failure.property: failure.reason for failure in check_inputs(kind, old or {}, new)[1]}


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [(Site(), SITE), (WorkerPool(), POOL), (Job(), JOB), (SiteDescriptor(), described())],
    ids=lambda each: getattr(each, "token", ""),
)
def test_good_inputs_pass_and_are_completed_with_their_defaults(kind, inputs):
    given, failures = check_inputs(kind, {}, inputs)
    assert failures == []
    made = plain_map(wire_map(parse(kind, given).model_dump(by_alias=True)))
    assert differences(kind, {**made, "drift": []}, given) == []


def test_a_descriptor_is_judged_by_what_is_known_of_it_and_only_if_it_is_of_a_local_site():
    assert failed(SiteDescriptor(), described(environment_id=UNKNOWN, capacity=UNKNOWN)) == {}
    assert failed(SiteDescriptor(), described(platform="aws", capacity=None)) == {}


@pytest.mark.parametrize(
    ("kind", "inputs", "property_", "says"),
    [
        (Site(), SITE | {"folder": "east"}, "folder", "absolute"),
        (Site(), SITE | {"folder": "/srv/../etc"}, "folder", "without `..`"),
        (Site(), SITE | {"site": "East!"}, "site", "pattern"),
        (Site(), SITE | {"onDestroy": "maybe"}, "onDestroy", "'maybe'"),
        (Site(), SITE | {"onDestory": "keep"}, "onDestory", "not permitted"),
        (Site(), {k: v for k, v in SITE.items() if k != "owner"}, "owner", "is missing"),
        (WorkerPool(), POOL | {"minSlots": 6}, "minSlots", "more than maxSlots (5)"),
        (WorkerPool(), POOL | {"initialSlots": 9}, "initialSlots", "outside of 0 to 5"),
        (WorkerPool(), POOL | {"maxSlots": 0}, "maxSlots", "greater than or equal to 1"),
        (WorkerPool(), POOL | {"maxSlots": 2.5}, "maxSlots", "integer"),
        (WorkerPool(), POOL | {"initialSlots": None}, "initialSlots", "neither witness nor repository"),
        (Job(), JOB | {"module": None}, "module", "either a module or a command"),
        (Job(), JOB | {"command": ["x"]}, "module", "either a module or a command"),
        (Job(), JOB | {"checkpoints": "/abs"}, "checkpoints", "below the site's"),
        (Job(), JOB | {"ranks": 0}, "ranks", "greater than or equal to 1"),
        (Job(), JOB | {"env": {"A": 1}}, "env.A", "string"),
        (Replicator(), {"folder": "/srv/east", "config": {"site": "east"}}, "config.own", "is missing"),
        (SiteDescriptor(), described(capacity={"minimum": 0}), "descriptor.capacity.maximum", "required"),
        (SiteDescriptor(), described(workloads={"gpt": {"ranks": 2}}), "descriptor.workloads.gpt.metrics", "required"),
        (CheckpointRepository(), {"folder": "/e", "witness": "file:///w", "environment": "g", "workloads": "gpt"},
         "workloads", "tuple"),
    ],
)  # fmt: skip
def test_bad_inputs_are_refused_with_the_name_of_the_property(kind, inputs, property_, says):
    reasons = failed(kind, inputs)
    assert says in reasons[property_]


@pytest.mark.parametrize("name", ["folder", "environment", "site", "owner"])
def test_a_site_does_not_move(name):
    assert "cannot become" in failed(Site(), SITE | {name: "/other" if name == "folder" else "other"}, old=SITE)[name]


def test_what_a_preview_does_not_know_yet_is_not_refused():
    assert failed(WorkerPool(), POOL | {"initialSlots": UNKNOWN, "folder": UNKNOWN}, old=POOL) == {}
    assert differences(WorkerPool(), POOL | {"drift": []}, POOL | {"folder": UNKNOWN}) == ["folder"]
    assert "maxSlots" in failed(WorkerPool(), POOL | {"initialSlots": UNKNOWN, "maxSlots": "many"})


def test_an_existing_pool_keeps_its_initial_value_while_the_role_is_not_known():
    given, failures = check_inputs(WorkerPool(), POOL, POOL | {"initialSlots": None})
    assert (given["initialSlots"], failures) == (1, [])


@pytest.mark.parametrize(("kind", "inputs", "name", "value"), [
    (WorkerPool(), POOL, "initialSlots", 5), (Job(), JOB | {"initiallyRunning": False}, "initiallyRunning", True),
])  # fmt: skip
def test_a_role_that_changed_changes_no_resource(kind, inputs, name, value):
    state = {**check_inputs(kind, {}, inputs)[0], "drift": []}
    assert differences(kind, state, check_inputs(kind, inputs, inputs | {name: value})[0]) == []


def test_a_changed_bound_and_found_drift_are_differences():
    state = {**check_inputs(WorkerPool(), {}, POOL)[0], "drift": []}
    assert differences(WorkerPool(), state, check_inputs(WorkerPool(), POOL, POOL | {"maxSlots": 6})[0]) == ["maxSlots"]
    assert differences(WorkerPool(), state | {"drift": ["slot-1 is EXITED"]}, POOL | {"devices": "cpu"}) == ["drift"]


def test_an_interpreter_of_a_job_is_one_that_can_be_run(tmp_path):
    given = {"folder": str(tmp_path), "workload": "gpt", "command": ["python"], "ranks": 1, "checkpoints": "c"}
    for python in ("python3", str(tmp_path / "none"), str(tmp_path)[1:]):
        _, failures = check_inputs(Job(), {}, {**given, "python": python})
        assert [failure.property for failure in failures] == ["python"], python
    assert check_inputs(Job(), {}, {**given, "python": sys.executable})[1] == []
    assert check_inputs(Job(), {}, given)[1] == []
