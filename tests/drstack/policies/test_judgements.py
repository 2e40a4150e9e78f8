"""Each judgement finds what it is there for, and nothing in an environment that is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from drstack.policies import declared, planned
from drstack.policies.planned import Planned
from drstack.spec import parse_environment

SOUND = """\
environment: gpt-prod
strategy: active-passive
witness: s3://acme-witness?region=eu-central-1
state: s3://acme-pulumi?region=eu-central-1
sites:
  east: {platform: aws, region: us-east-1, adopt: {cluster: train-1, bucket: acme-ckpt}}
  west: {platform: aws, region: us-west-2, adopt: {cluster: train-2, bucket: acme-ckpt-2}}
workloads:
  gpt: {class: training, job: {jobset: ml/gpt}, checkpoints: {path: /ckpt/gpt, every: 45m}, rpo: 2h}
"""
SITE = {"folder": "/srv/sites/east", "onDestroy": "keep"}
ENVIRONMENT = {"witness": "file:///srv/witness", "repositories": ["file:///srv/sites/east/store", "s3://b/x"]}
CONFIG = {
    "site": "east",
    "own": "east",
    "workloads": [{"name": "gpt"}],
    "destinations": [{"name": "east"}, {"name": "west"}],
}
JUDGED = (
    declared.sites_apart, declared.repositories_apart, declared.stores_outside_sites, declared.rehearsal_only,
    declared.spare_checkpoints,
)  # fmt: skip


def environment(text: str):
    return parse_environment(text, Path("gpt-prod.yaml"))


def stack(**changed):
    return [
        Planned(planned.ENVIRONMENT, "urn:e", {**ENVIRONMENT, **changed.get("environment", {})}),
        Planned(planned.SITE, "urn:s", {**SITE, **changed.get("site", {})}),
        Planned(planned.REPLICATOR, "urn:r", {"config": {**CONFIG, **changed.get("config", {})}}),
        Planned("aws:s3/bucket:Bucket", "urn:b", {"folder": "/srv"}),
    ]


@pytest.mark.parametrize("judge", JUDGED)
def test_a_sound_environment_gives_no_finding(judge):
    assert list(judge(environment(SOUND))) == []


@pytest.mark.parametrize(
    ("judge", "replaced", "said"),
    [
        (declared.sites_apart, ("us-west-2", "us-east-1"), "east and west are both in aws us-east-1"),
        (declared.repositories_apart, ("acme-ckpt-2", "acme-ckpt"), "in one bucket, aws acme-ckpt"),
        (declared.stores_outside_sites, ("acme-witness?region=eu-central-1", "acme-witness?region=us-west-2"),
         "witness s3://acme-witness?region=us-west-2 lies in us-west-2, the region of site west"),
        (declared.stores_outside_sites, ("acme-pulumi?region=eu-central-1", "acme-pulumi?region=us-east-1"), "site east"),
        (declared.spare_checkpoints, ("workloads:", "replication: {keep: 1}\nworkloads:"), "keep: 2"),
    ],
)  # fmt: skip
def test_what_a_disaster_would_punish_is_found(judge, replaced, said):
    assert replaced[0] in SOUND
    (finding,) = judge(environment(SOUND.replace(*replaced)))
    assert said in finding.message


def test_one_machine_is_good_to_rehearse_on_only():
    local = (Path(__file__).parents[3] / "stacks" / "environments" / "local.yaml").read_text()
    (finding,) = declared.rehearsal_only(parse_environment(local, Path("local.yaml")))
    assert "no protection" in finding.message


@pytest.mark.parametrize("judge", [planned.stores_apart, planned.copies_elsewhere, planned.sites_kept])
def test_a_sound_stack_gives_no_finding_whatever_is_not_known_yet(judge):
    assert list(judge(stack())) == []
    assert list(judge([Planned(each.type, each.urn, {}) for each in stack()])) == []


@pytest.mark.parametrize(
    ("judge", "changed", "urn"),
    [
        (planned.stores_apart, {"environment": {"witness": "file:///srv/sites/east/w"}}, "urn:e"),
        (planned.stores_apart, {"environment": {"repositories": ["file:///a", "file:///a/b"]}}, "urn:e"),
        (planned.stores_apart, {"environment": {"repositories": ["s3://a/b", "s3://a/b"]}}, "urn:e"),
        (planned.copies_elsewhere, {"config": {"destinations": [{"name": "east"}]}}, "urn:r"),
        (planned.sites_kept, {"site": {"onDestroy": "delete"}}, "urn:s"),
    ],
)
def test_what_a_stack_must_not_be_is_found(judge, changed, urn):
    (finding,) = judge(stack(**changed))
    assert finding.about == urn
