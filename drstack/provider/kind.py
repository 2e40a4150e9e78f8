"""What every resource of the provider is made of, and the checks and diffs that they share.

Decides which inputs hold, what may change in place, and what Pulumi leaves alone. Invariant: identity never changes by
an update or a replacement (that would take a running site down), and values given for the creation are not compared
afterwards (DESIGN, rule 10).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from drstack.provider.values import Plain, has_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

DRIFT = "drift"
"""Output of every resource: in words, what was found otherwise than it should be. Empty after create and update."""


class Inputs(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)


In = TypeVar("In", bound=Inputs)


@dataclass(frozen=True, slots=True)
class Created:
    id: str
    outputs: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failure:
    property: str
    reason: str


class Kind(ABC, Generic[In]):
    """A resource type. All but `check` may block; each ends in bounded time and raises DrstackError or ReplicatorError.

    `create` and `update` are convergent. `read` returns outputs, or None if there is no such resource any more.
    """

    token: ClassVar[str]
    inputs: type[In]
    identity: ClassVar[tuple[str, ...]] = ()
    at_create: ClassVar[tuple[str, ...]] = ()
    computed: ClassVar[tuple[str, ...]] = ()
    """Outputs besides the inputs, and `drift`."""

    def check(self, inputs: Mapping[str, Plain]) -> list[Failure]:
        """What the model cannot say of known inputs."""
        del inputs
        return []

    @abstractmethod
    def create(self, inputs: In) -> Created: ...

    @abstractmethod
    def read(self, inputs: In) -> Mapping[str, object] | None: ...

    @abstractmethod
    def update(self, inputs: In) -> Mapping[str, object]: ...

    @abstractmethod
    def delete(self, inputs: In) -> None: ...


def check_inputs(
    kind: Kind[Any], old: Mapping[str, Plain], new: Mapping[str, Plain]
) -> tuple[dict[str, Plain], list[Failure]]:
    """The inputs to go on with, and every failure with its property. `old` is empty for a new resource."""
    given = {**_defaults(kind), **new}
    for name in kind.at_create:
        if given.get(name) is None and old.get(name) is not None:
            given[name] = old[name]
    failures = [*_model_failures(kind, given), *kind.check(given)]
    for name in kind.identity:
        before, now = old.get(name), given.get(name)
        if before is not None and before != now and not has_unknown(now) and not has_unknown(before):
            reason = f"is {before!r} and cannot become {now!r}: destroy the resource first, or name another"
            failures.append(Failure(name, reason))
    return given, failures


def differences(kind: Kind[Any], state: Mapping[str, Plain], new: Mapping[str, Plain]) -> list[str]:
    """Properties that an update would change: inputs that differ, and `drift` where something was found."""
    compared = [name for name in {*_names(kind), *new} if name not in kind.at_create]
    changed = sorted(name for name in compared if state.get(name) != new.get(name))
    return [*changed, DRIFT] if state.get(DRIFT) else changed


def parse(kind: Kind[In], values: Mapping[str, Plain]) -> In:
    """Inputs out of a resource's inputs or state; other outputs are passed over."""
    names = _names(kind)
    return kind.inputs.model_validate({name: value for name, value in values.items() if name in names})


def _names(kind: Kind[Any]) -> set[str]:
    return {field.alias or name for name, field in kind.inputs.model_fields.items()}


def _defaults(kind: Kind[Any]) -> dict[str, Plain]:
    """Fields that may be left out, so that inputs and state can be compared."""
    found: dict[str, Plain] = {}
    for name, field in kind.inputs.model_fields.items():
        default: Any = None if field.is_required() else field.get_default(call_default_factory=True)
        if default is not None:
            found[field.alias or name] = list(default) if isinstance(default, tuple) else default  # pyright: ignore[reportUnknownArgumentType]
    return found


def _model_failures(kind: Kind[Any], given: Mapping[str, Plain]) -> list[Failure]:
    unknown = {name for name, value in given.items() if has_unknown(value)}
    try:
        kind.inputs.model_validate({name: value for name, value in given.items() if name not in unknown})
    except ValidationError as error:
        return [
            Failure(".".join(map(str, each["loc"])), _reason(each["msg"], each["type"], each["input"]))
            for each in error.errors()
            if not each["loc"] or each["loc"][0] not in unknown
        ]
    return []


def _reason(message: str, kind: str, given: object) -> str:
    text = message.removeprefix("Value error, ")
    return "is missing" if kind == "missing" else f"is {given!r}: {text}"
