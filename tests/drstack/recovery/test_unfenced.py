"""When a database may be promoted."""

from __future__ import annotations

import pytest

from drstack.recovery.acting import Context
from drstack.recovery.unfenced import objection


def context(**told):
    base = {"environment": "e", "operation": "1-1", "target": "west", "sources": ("east",), "workloads": ("a",),
            "step": "db", "token": "t", "timeout_s": 1.0}  # fmt: skip
    return Context(**{**base, **told})


@pytest.mark.parametrize(
    ("told", "others", "may"),
    [
        ({"grades": {"east": "proven"}}, {"east": "silent"}, True),
        ({"grades": {"east": "proven"}}, {}, True),
        ({"grades": {"east": "proven"}}, {"east": "writes"}, False),
        ({"grades": {"east": "proven"}}, {"north": "writes"}, False),
        ({"grades": {"east": "assumed"}}, {"east": "refused"}, False),
        ({"grades": {"east": "lease-expired"}}, {"east": "silent"}, False),
        ({"grades": {"east": "assumed"}}, {"east": "standby"}, True),
        ({"grades": {}}, {"east": "refused"}, False),
        ({"grades": {"east": "proven"}, "alone": True}, {"east": "silent"}, False),
        ({"kind": "switchover"}, {"east": "refused"}, True),
        ({"kind": "switchover"}, {"east": "standby"}, True),
        ({"kind": "switchover"}, {"east": "silent"}, False),
        ({"kind": "switchover"}, {"east": "writes"}, False),
        ({"kind": "switchover"}, {}, False),
        ({"sources": ("east", "north"), "grades": {"east": "proven", "north": "assumed"}}, {}, False),
        ({"consented": True}, {"east": "writes"}, True),
    ],
)
def test_only_with_proof_or_consent(told, others, may):
    assert (objection(context(**told), others) is None) == may
