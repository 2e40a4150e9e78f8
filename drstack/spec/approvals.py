"""Approvals: whose word an operation needs before it changes anything, and who may go on without.

Decides the shape and the default time that an approval counts. Invariant: an operation that is not named here needs nobody.
"""

from pydantic import Field

from drstack.spec.fields import Declared, Duration, Name

EXPIRES_S = 900.0


class Quorum(Declared):
    """How many of whom."""

    of: tuple[Name, ...] = Field(
        min_length=1, description="People who may approve, each with a key of their own.", examples=[["alice", "bob"]]
    )
    at_least: int = Field(ge=1, description="How many of them have to.", examples=[2])
    expires: Duration = Field(
        default=EXPIRES_S, description="How long an approval counts after it was given.", examples=["15m"]
    )
    break_glass: tuple[Name, ...] = Field(
        default=(), description="People who may go on without, in an emergency, each by a signed word.",
        examples=[["alice"]],
    )  # fmt: skip


class Approvals(Declared):
    """By operation; one that is left out needs no approval."""

    promote: Quorum | None = Field(
        default=None, description="For `drstack promote`. Default: nobody's.",
        examples=[{"of": ["alice", "bob", "carol"], "at_least": 2}],
    )  # fmt: skip
    switchover: Quorum | None = Field(
        default=None, description="For `drstack switchover` and `failback`. Default: nobody's.",
        examples=[{"of": ["alice", "bob"], "at_least": 1}],
    )  # fmt: skip
    fence: Quorum | None = Field(
        default=None, description="For `drstack fence`. Default: nobody's.",
        examples=[{"of": ["alice", "bob"], "at_least": 1}],
    )  # fmt: skip

    def declared(self) -> dict[str, Quorum]:
        """By operation, those that are declared."""
        found = {"promote": self.promote, "switchover": self.switchover, "fence": self.fence}
        return {kind: quorum for kind, quorum in found.items() if quorum is not None}

    def people(self) -> tuple[str, ...]:
        """Everybody who is named, once."""
        named = (name for quorum in self.declared().values() for name in (*quorum.of, *quorum.break_glass))
        return tuple(dict.fromkeys(named))
