"""How many checkpoints each repository keeps: a number, or one for each hour, day, week, month, year besides.

Decides how both forms are read. Invariant: a number and `{last: number}` are the same, and are written as the number.
"""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from drstack.spec.fields import Declared, Duration

Count = Annotated[StrictInt, Field(ge=1)]


class Keep(Declared):
    """Pins, legal holds and what a recovery needs stay besides, whatever is written here."""

    last: Count | None = Field(default=None, description="The newest so many.", examples=[20])
    hourly: Count | None = Field(default=None, description="One for each of the last so many hours.", examples=[24])
    daily: Count | None = Field(default=None, description="One for each of the last so many days.", examples=[7])
    weekly: Count | None = Field(default=None, description="One for each of the last so many weeks.", examples=[5])
    monthly: Count | None = Field(default=None, description="One for each of the last so many months.", examples=[12])
    yearly: Count | None = Field(default=None, description="One for each of the last so many years.", examples=[3])
    min_age: Duration | None = Field(
        default=None, description="What was saved less long ago stays, however many that are.", examples=["2h"]
    )

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.last is None and not self.periods():
            raise PydanticCustomError(
                "keep", "what to keep", {"got": "nothing that is kept", "remedy": "write keep: 20, or keep: {daily: 7}"}
            )
        return self

    def periods(self) -> dict[str, int]:
        every = {name: getattr(self, name) for name in ("hourly", "daily", "weekly", "monthly", "yearly")}
        return {name: count for name, count in every.items() if count is not None}

    def least(self) -> int:
        """How many stay at least, of a run that goes on long enough."""
        return max(self.last or 1, *self.periods().values(), 1)

    def policy(self) -> int | dict[str, object]:
        """As a replicator is told (`replicator.retention.policy.Policy`): a plain number where it is one."""
        if self.last is not None and not self.periods() and not self.min_age:
            return self.last
        told: dict[str, object] = {"last": self.last} if self.last is not None else {}
        return {**told, **self.periods(), **({"min_age_s": self.min_age} if self.min_age else {})}


def _read(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise PydanticCustomError("keep", "at least 1", {"remedy": "write keep: 20"})
        return {"last": value}
    if isinstance(value, dict | Keep):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("keep", "a whole number or a mapping", {"remedy": "write keep: 20, or keep: {daily: 7}"})


def _write(keep: Keep) -> object:
    told = keep.policy()
    return told if isinstance(told, int) else keep.model_dump(mode="json", exclude_none=True)


Kept = Annotated[
    Keep, BeforeValidator(_read, json_schema_input_type=Count | Keep), PlainSerializer(_write, when_used="json")
]
