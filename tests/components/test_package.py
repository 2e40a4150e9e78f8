"""What other languages hand to the components, in whatever form their SDK sends it."""

from __future__ import annotations

import asyncio

import pulumi
import pytest

from drstack.components.package import Package

GIVEN = {"folder": "/srv/west", "roles": {"gpt": "standby"}, "slots": 3.0, "standbySlots": 1.0}
JOB = {"ranks": 2.0, "checkpoints": "checkpoints/gpt", "env": {"A": "b"}}


def mapped(**more):
    package = Package()
    return package.map_inputs({**GIVEN, **more}, package._component_defs["GpuCluster"])


def test_a_job_may_be_a_value_or_an_output():
    assert mapped(jobs={"gpt": JOB})["jobs"] == {"gpt": JOB}

    async def resolved():
        return await mapped(jobs={"gpt": pulumi.Output.from_input(JOB)})["jobs"]["gpt"].future()

    assert asyncio.run(resolved()) == JOB


def test_what_is_missing_is_named_with_its_place():
    with pytest.raises(pulumi.InputPropertyError, match=r"Missing required input 'jobs\.gpt\.ranks'"):
        mapped(jobs={"gpt": {"checkpoints": "checkpoints/gpt"}})
