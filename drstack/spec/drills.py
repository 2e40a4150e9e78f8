"""Drills: how often one is to be held, of which kind, and where.

Decides the shape alone. Invariant: nothing here holds a drill; a schedule that is not kept is said by readiness.
"""

from typing import Literal

from pydantic import Field

from drstack.spec.fields import Declared, Duration, Name

DrillKind = Literal["full", "restore", "capacity", "start", "surprise", "tabletop"]


class Drills(Declared):
    """How often which drill is to be held."""

    every: Duration = Field(description="A drill is overdue when the last one is older than this.", examples=["30d"])
    kind: DrillKind = Field(
        default="full", description="Which drill counts; a full or surprise one always does.", examples=["full"]
    )
    site: Name | None = Field(
        default=None, description="Where it is to be held. Default: at any standby.", examples=["west"]
    )
