"""Pulumi's property values as plain Python values, and back.

Invariant: a whole number stays one (the wire knows floats only), and what is not known yet is `UNKNOWN`, never None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_TEXT


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for a value that a preview cannot know; the SDK's own `Computed` cannot be compared."""


Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"] | Unknown
UNKNOWN: Final = Unknown()
_UNKNOWN_ON_THE_WIRE = frozenset(
    (
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    )
)
"""One for each type (sdk/go/common/resource/plugin/rpc.go); the experimental SDK does not translate them."""


def plain(value: PropertyValue) -> Plain:
    inner = value.value
    if isinstance(inner, str) and inner in _UNKNOWN_ON_THE_WIRE:
        return UNKNOWN
    if inner is None or isinstance(inner, bool | str):
        return inner
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, Mapping):
        return {name: plain(each) for name, each in inner.items()}
    if isinstance(inner, Sequence):
        return [plain(each) for each in inner]
    raise TypeError(f"{type(inner).__name__} is no input of this provider")


def plain_map(values: Mapping[str, PropertyValue]) -> dict[str, Plain]:
    return {name: plain(value) for name, value in values.items() if not name.startswith("__")}


def wire(value: object) -> PropertyValue:
    if isinstance(value, Unknown):
        return PropertyValue(UNKNOWN_TEXT)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return PropertyValue(value)
    if isinstance(value, int | float):
        return PropertyValue(float(value))
    if isinstance(value, Mapping):
        return PropertyValue({k: wire(v) for k, v in cast("Mapping[str, object]", value).items()})
    if isinstance(value, Sequence):
        return PropertyValue([wire(each) for each in cast("Sequence[object]", value)])
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def wire_map(values: Mapping[str, object]) -> dict[str, PropertyValue]:
    return {name: wire(value) for name, value in values.items()}


def has_unknown(value: Plain) -> bool:
    if isinstance(value, Unknown):
        return True
    if isinstance(value, dict):
        return any(has_unknown(each) for each in value.values())
    return isinstance(value, list) and any(has_unknown(each) for each in value)
