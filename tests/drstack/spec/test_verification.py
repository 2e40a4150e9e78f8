"""`replication.verify`: on by default, turned down or off in the file, and what the replicator is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drstack.components.plan import local
from replicator.service.config import Drill, Scrub, ServiceConfig
from tests.drstack.spec.declared import LOCAL, faults_of, parsed


def verify(text: str) -> str:
    return LOCAL + f"replication: {{verify: {text}}}\n"


def told(text: str) -> ServiceConfig:
    declared = parsed(text)
    more = {"anchor": {"url": local.witness_url(declared, Path("/r")), "environment": "demo"}}
    places = [{"name": each.site, "url": each.repository} for each in local.destinations(declared, "east", Path("/r"))]
    body = local.replicator_config("east", "/r/east", places, [], {**more, **local.verification(declared)})
    return ServiceConfig.model_validate(body)


def test_left_out_each_site_reads_all_in_a_week_and_drills_every_day():
    config = told(LOCAL)
    assert config.scrub == Scrub(every_s=7 * 86400, bytes_per_s=50e6, repair=True)
    assert config.drill == Drill(every_s=86400)
    assert config.anchor is not None
    assert (config.anchor.url, config.anchor.environment) == ("file:///r/witness", "demo")


def test_the_file_sets_period_rate_and_repair():
    config = told(verify("{scrub: 2d, rate: 80Mbit/s, repair: false, drill: 6h}"))
    assert config.scrub == Scrub(every_s=2 * 86400, bytes_per_s=10e6, repair=False)
    assert config.drill == Drill(every_s=6 * 3600)


def test_a_period_of_zero_turns_it_off():
    config = told(verify("{scrub: 0, drill: 0}"))
    assert config.scrub is None
    assert config.drill is None


@pytest.mark.parametrize(("text", "field"), [
    ("{rate: 0}", "replication.verify.rate"), ("{drill: never}", "replication.verify.drill"),
    ("{repair: 1}", "replication.verify.repair"), ("{every: 1d}", "replication.verify.every"),
])  # fmt: skip
def test_what_does_not_hold_is_refused_by_its_name(text, field):
    assert field in faults_of(verify(text))
