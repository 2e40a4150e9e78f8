"""What components compute for local sites fits what replicator and actuators read."""

from pathlib import Path

import pytest

from drstack.components.plan import local
from drstack.errors import EnvironmentUnknown
from drstack.platforms.local.descriptor import read_descriptor
from drstack.platforms.local.prover import ProverConfig
from drstack.spec.loader import parse_environment
from drstack.spec.objectives import objectives
from replicator.admission import DEFAULT
from replicator.retention.policy import Policy
from replicator.service.config import ServiceConfig

ROOT = Path("/srv/root")
TEXT = """\
environment: gpt-prod
strategy: active-passive
witness: file:witness
state: file:state
sites:
  east: {platform: local, slots: 5, capacity: 20%}
  west: {platform: local, slots: 5, folder: elsewhere}
workloads:
  gpt: {class: training, job: {train: examples.train, ranks: 2}, checkpoints: {path: checkpoints/gpt, every: 3s}, rpo: 30s}
replication: {near: {east: west, west: east}, acknowledge: {gpt: near}, keep: 7}
"""
ENVIRONMENT = parse_environment(TEXT, Path("gpt-prod.yaml"))


def replicator_config(environment, site):
    """As Site and ReplicatorService make it together."""
    told = environment.replication.keep.policy()
    shipped = [
        {
            "name": name,
            "checkpoints": local.checkpoints_path(each),
            "keep": {"last": told} if told == 7 else told,
            "admission": local.admission(each),
            "rpo_s": objectives(each).rpo_s,
            "receipts": local.receipts(environment, each),
        }
        for name, each in local.replicated(environment).items()
    ]
    ordered = [{"name": each.site, "url": each.repository} for each in local.destinations(environment, site, ROOT)]
    return local.replicator_config(site, str(local.place(environment, site, ROOT).folder), ordered, shipped)


def test_a_replicator_is_told_its_own_repository_first():
    config = ServiceConfig.model_validate(replicator_config(ENVIRONMENT, "west"))
    assert (config.site, config.own) == ("west", "west")
    assert [(each.name, each.url) for each in config.destinations] == [
        ("west", "file:///srv/root/elsewhere/store"), ("east", "file:///srv/root/sites/gpt-prod/east/store"),
    ]  # fmt: skip
    assert [(each.path, each.keep) for each in config.workloads] == [("/srv/root/elsewhere/checkpoints/gpt", 7)]


def test_a_replicator_is_told_the_policy_as_the_file_has_it():
    text = TEXT.replace("keep: 7", "keep: {last: 3, daily: 7, min_age: 2h}")
    declared = parse_environment(text, Path("gpt-prod.yaml"))
    config = ServiceConfig.model_validate(replicator_config(declared, "west"))
    assert config.workloads[0].keep == Policy(last=3, daily=7, min_age_s=7200.0)


def test_a_replicator_is_told_how_checkpoints_are_judged():
    text = TEXT.replace("every: 3s}", "every: 3s, admission: {ignore: [shape], jump_factor: 9}}")
    config = ServiceConfig.model_validate(replicator_config(parse_environment(text, Path("gpt-prod.yaml")), "west"))
    judged = config.workloads[0].admission
    assert (judged.ignore, judged.jump_factor, judged.norm_factor) == (("shape",), 9.0, DEFAULT.norm_factor)
    assert "admission" not in replicator_config(ENVIRONMENT, "west")["workloads"][0]


def test_a_descriptor_is_what_actuators_read():
    published = local.descriptor(ENVIRONMENT, "east", ROOT, "o/p/s")
    read = read_descriptor(published)
    assert (read.site, read.folder, read.capacity.maximum) == ("east", "/srv/root/sites/gpt-prod/east", 5)
    assert read.workloads["gpt"].checkpoints == "/srv/root/sites/gpt-prod/east/checkpoints/gpt"
    assert read.workloads["gpt"].ranks == 2


def test_the_primary_writes_first_and_its_near_site_acknowledges():
    assert local.assigned_workloads(ENVIRONMENT) == {"gpt": {"writer": "east", "acknowledge": ["west"]}}


@pytest.mark.parametrize(
    ("roles", "slots"),
    [({"a": "writer", "b": "standby"}, 5), ({"a": "standby"}, 1), ({"a": "unknown"}, None),
     ({"a": "unknown", "b": "writer"}, 5)],
)  # fmt: skip
def test_a_new_pool_has_the_size_of_its_role(roles, slots):
    assert local.initial_slots(roles, 5, 1) == slots


def test_a_site_that_is_not_local_is_told():
    with pytest.raises(EnvironmentUnknown, match="has no site 'north'"):
        local.place(ENVIRONMENT, "north", ROOT)


def test_a_job_finds_the_modules_of_its_project_unless_it_says_where():
    asked = {"DRSTACK_ACKNOWLEDGE": "near"}
    assert local.local_jobs(ENVIRONMENT, Path("/srv/project"))["gpt"].env == {"PYTHONPATH": "/srv/project", **asked}
    own = parse_environment(TEXT.replace("ranks: 2}", "ranks: 2, env: {PYTHONPATH: /mine}}"), Path("gpt-prod.yaml"))
    assert local.local_jobs(own, Path("/srv/project"))["gpt"].env == {"PYTHONPATH": "/mine", **asked}


def test_only_a_workload_that_is_acknowledged_has_saves_that_wait():
    unasked = parse_environment(TEXT.replace("acknowledge: {gpt: near}, ", ""), Path("e.yaml"))
    assert local.local_jobs(unasked)["gpt"].env == {}
    zero = TEXT.replace("acknowledge: {gpt: near}, ", "").replace("rpo: 30s", "rpo: 0s")
    assert local.local_jobs(parse_environment(zero, Path("e.yaml")))["gpt"].env == {"DRSTACK_ACKNOWLEDGE": "near"}


@pytest.mark.parametrize(
    ("demanded", "receipts"),
    [("[stored]", ("stored",)), ("[stored, decoded, proved]", ("stored", "decoded")), ("[proved]", ("stored",))],
)
def test_a_save_is_acknowledged_by_the_receipts_of_a_recovery_point_but_its_proof(demanded, receipts):
    declared = parse_environment(
        TEXT.replace("keep: 7", f"keep: 7, receipts: {{training: {demanded}}}"), Path("e.yaml")
    )
    config = ServiceConfig.model_validate(replicator_config(declared, "east"))
    assert [(each.rpo_s, each.receipts) for each in config.workloads] == [(30.0, receipts)]


def test_a_prover_is_told_of_training_only_where_it_is_declared():
    assert local.prover_config(ENVIRONMENT) is None
    declared = parse_environment(TEXT.replace("keep: 7", "keep: 7, prove: {every: 10m, steps: 3}"), Path("e.yaml"))
    config = ProverConfig.model_validate(local.prover_config(declared))
    assert config == ProverConfig(workloads=("gpt",), every_s=600, steps=3, timeout_s=600)


def serving(strategy="active-passive"):
    chat = "  chat: {class: inference, serves: gpt, job: {serve: examples.serve, replicas: 2}}\nreplication"
    text = (
        TEXT.replace("replication", chat)
        .replace("active-passive", strategy)
        .replace("near},", "near}, receipts: {training: [stored]},")
    )
    return parse_environment(text, Path("gpt-prod.yaml"))


def test_work_that_serves_is_assigned_with_its_shares_and_writes_nothing():
    assigned = local.assigned_workloads(serving())
    assert assigned["chat"] == {"writer": "east", "acknowledge": [], "serves": {"east": 100, "west": 0}}
    assert local.assigned_workloads(serving("active-active"))["chat"]["serves"] == {"east": 50, "west": 50}
    assert "serves" not in assigned["gpt"]
    watched = replicator_config(serving(), "east")["workloads"]
    assert [each["name"] for each in watched] == ["gpt"]


def test_replicas_load_what_the_models_class_demands_and_the_router_lies_outside_all_sites():
    assert (local.served(serving())["chat"].model, local.served(serving())["chat"].receipts) == ("gpt", ("stored",))
    read = read_descriptor(local.descriptor(serving(), "west", ROOT, "o/p/s"))
    assert (read.serving["chat"].replicas, read.router) == (2, "/srv/root/routers/gpt-prod")
    assert read_descriptor(local.descriptor(ENVIRONMENT, "west", ROOT, "o/p/s")).router is None


def test_replicas_run_at_first_where_the_slots_of_a_site_take_them():
    assert local.initially_serving({"gpt": "writer"}, 5, 1, 2) is True
    assert local.initially_serving({"gpt": "standby"}, 5, 1, 2) is False
    assert local.initially_serving({"gpt": "standby"}, 5, 2, 2) is True
    assert local.initially_serving({"gpt": "unknown"}, 5, 1, 2) is None
