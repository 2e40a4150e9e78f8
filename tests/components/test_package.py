"""What other languages hand to the components, in whatever form their SDK sends it."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from drstack.components.package import Package
from drstack.platforms.local.prover import ProverConfig

GIVEN = {"folder": "/srv/west", "roles": {"gpt": "standby"}, "slots": 3.0, "standbySlots": 1.0}
JOB = {"ranks": 2.0, "checkpoints": "checkpoints/gpt", "env": {"A": "b"}}


def mapped(component="GpuCluster", **more):
    package = Package()
    return package.map_inputs({**GIVEN, **more}, package._component_defs[component])


def test_a_job_may_be_a_value_or_an_output():
    assert mapped(jobs={"gpt": JOB})["jobs"] == {"gpt": JOB}

    async def resolved():
        return await mapped(jobs={"gpt": pulumi.Output.from_input(JOB)})["jobs"]["gpt"].future()

    assert asyncio.run(resolved()) == JOB


def test_what_a_prover_is_told_arrives_as_it_reads_it():
    shipped = {"site": "west", "destinations": [], "workloads": []}
    told = mapped(
        "ReplicatorService", **shipped, prover={"workloads": ["gpt"], "everyS": 9.5, "steps": 3.0, "timeoutS": 60.0}
    )
    assert ProverConfig.model_validate(told["prover"]) == ProverConfig(
        workloads=("gpt",), every_s=9.5, steps=3, timeout_s=60
    )


def test_what_is_missing_is_named_with_its_place():
    with pytest.raises(pulumi.InputPropertyError, match=r"Missing required input 'jobs\.gpt\.ranks'"):
        mapped(jobs={"gpt": {"checkpoints": "checkpoints/gpt"}})
