"""Pulumi's property values as plain Python values, and back.

Invariant: a whole number stays one (the wire knows floats only), and what is not known yet is `UNKNOWN`, never None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from pulumi.provider.experimental.property_value import Computed, PropertyValue

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"] | Computed
UNKNOWN: Final = Computed()


def plain(value: PropertyValue) -> Plain:
    inner = value.value
    if inner is None or isinstance(inner, bool | str | Computed):
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
    if isinstance(value, bool) or value is None or isinstance(value, str | Computed):
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
    if isinstance(value, Computed):
        return True
    if isinstance(value, dict):
        return any(has_unknown(each) for each in value.values())
    return isinstance(value, list) and any(has_unknown(each) for each in value)
