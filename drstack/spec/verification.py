"""Verification: how each site finds out by itself that its repository comes back, and how often."""

from pydantic import Field, StrictBool

from drstack.spec.fields import Declared, Duration, Rate, derived

_DAY_S = 86_400.0


class Verify(Declared):
    """What each site's replicator does unattended: read its repository back, repair it from the others, drill restores."""

    scrub: Duration = Field(
        default=7 * _DAY_S,
        description="Each site reads all of its repository once in so long. 0: never.",
        examples=["7d"],
    )
    rate: Rate = derived(
        400_000_000,
        "400Mbit/s",
        ge=1,
        description="Bits per second at which it is read at most.",
        examples=["400Mbit/s"],
    )
    repair: StrictBool = Field(
        default=True, description="Whether what is damaged is put back from the other sites unasked.", examples=[True]
    )
    drill: Duration = Field(
        default=_DAY_S,
        description="Each site restores what is at most risk once in so long, into a folder that is emptied. 0: never.",
        examples=["1d"],
    )
