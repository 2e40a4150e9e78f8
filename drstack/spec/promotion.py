"""Promotion: who may start one, and the leases that an automatic one needs.

Decides the defaults: by hand, without leases. Invariant: nothing here starts a promotion by default.
"""

from pydantic import Field, StrictBool

from drstack.spec.fields import Declared, Duration, Name


class Promotion(Declared):
    """Who may start a promotion."""

    automatic: StrictBool = Field(
        default=False, description="Promote without a person; needs leases and two observers.", examples=[False]
    )
    observers: tuple[Name, ...] = Field(
        default=(),
        description="Names of the observers that must agree before an automatic promotion.",
        examples=[["probe-1", "probe-2"]],
    )


class Leases(Declared):
    """A writer's right to write, which ends by itself."""

    ttl: Duration = Field(description="How long a lease holds without renewal.", examples=["60s"])
    renew: Duration | None = Field(
        default=None, description="Time between renewals. Default: a third of `ttl`.", examples=["20s"]
    )
