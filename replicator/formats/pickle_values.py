"""Taking values out of what a pickle described. Each function returns exactly its type or raises MetadataInvalid."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from replicator.formats.errors import MetadataInvalid
from replicator.formats.pickle_machine import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_DIMENSIONS = 64
MAX_INT = 2**63 - 1


def as_record(value: object, *names: str) -> Record:
    if isinstance(value, Record) and value.symbol.name in names:
        return value
    raise MetadataInvalid(f"expected a {names[0]}, found a {_kind(value)}")


def as_dict(value: object) -> Mapping[object, object]:
    if isinstance(value, dict):
        return cast("dict[object, object]", value)
    raise MetadataInvalid(f"expected a dict, found a {_kind(value)}")


def state_of(record: Record) -> Mapping[object, object]:
    """The fields of a dataclass that was pickled as its `__dict__`."""
    return as_dict(record.state)


def as_text(value: object) -> str:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise MetadataInvalid("a name is not Unicode text")
        return value
    raise MetadataInvalid(f"expected text, found a {_kind(value)}")


def as_int(value: object) -> int:
    """A length, an offset or a count: 0 to 2**63 - 1."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INT:
        return value
    raise MetadataInvalid(f"expected a count, found {value if isinstance(value, bool) else _kind(value)}")


def as_sequence(value: object) -> Sequence[object]:
    if isinstance(value, tuple | list):
        return cast("tuple[object, ...] | list[object]", value)
    raise MetadataInvalid(f"expected a list, found a {_kind(value)}")


def as_sizes(value: object) -> tuple[int, ...]:
    """A `torch.Size`, or the plain tuple or list of counts that stands for one."""
    if isinstance(value, Record) and value.symbol.name == "Size" and len(value.args) == 1:
        value = value.args[0]
    sizes = as_sequence(value)
    if len(sizes) > MAX_DIMENSIONS:
        raise MetadataInvalid(f"a tensor of {len(sizes)} dimensions")
    return tuple(as_int(size) for size in sizes)


def _kind(value: object) -> str:
    return value.symbol.name if isinstance(value, Record) else type(value).__name__
