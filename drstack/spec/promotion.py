"""Promotion: who may start one, and the leases that an automatic one needs.

Decides the defaults: by hand, without leases. Invariant: nothing here starts a promotion by default.
"""

from typing import Literal

from pydantic import Field, StrictBool

from drstack.spec.fields import Declared, Duration, Name, derived

Remedy = Literal["reship", "replace", "restart"]


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
    to: Name | None = derived(
        None, "of two sites the one that is not the primary", description="The one site that may take over by itself.",
        examples=["west"],
    )  # fmt: skip
    after: Duration = Field(
        default=60.0,
        description="How long all observers must have lost sight of the writer, without a break.",
        examples=["2m"],
    )
    looks: int = Field(default=3, ge=1, description="And for how many looks in a row.", examples=[5])
    once_in: Duration = Field(
        default=86400.0, description="One automatic promotion in so long, whoever makes it.", examples=["24h"]
    )
    repair: tuple[Remedy, ...] = Field(
        default=("reship", "replace", "restart"),
        description="What is tried at a writer within reach: have its replicator, its slots, its job run again.",
        examples=[["restart"]],
    )
    attempts: int = Field(
        default=3, ge=1, description="How often one repair of one thing is tried within `once_in`.", examples=[2]
    )


class Leases(Declared):
    """A writer's right to write, which ends by itself."""

    ttl: Duration = Field(description="How long a lease holds without renewal.", examples=["60s"])
    renew: Duration | None = Field(
        default=None, description="Time between renewals. Default: a third of `ttl`.", examples=["20s"]
    )
    pause: Duration | None = Field(
        default=None,
        description="The longest that a process stands still without noticing: work is stopped so long before its lease "
        "ends, and who waits for the end waits so much longer. Default: a tenth of `ttl`.",
        examples=["5s"],
    )
    drift: Duration | None = Field(
        default=None,
        description="How far two clocks may drift apart while a lease lasts. Default: a fiftieth of `ttl`.",
        examples=["1s"],
    )

    @property
    def renew_s(self) -> float:
        return self.ttl / 3 if self.renew is None else self.renew

    @property
    def pause_s(self) -> float:
        return self.ttl / 10 if self.pause is None else self.pause

    @property
    def drift_s(self) -> float:
        return self.ttl / 50 if self.drift is None else self.drift
