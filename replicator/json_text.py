"""JSON that every reader takes alike: UTF-8, no field twice in an object, no NaN, no Infinity (docs/format.md)."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

_Model = TypeVar("_Model", bound=BaseModel)


def parse_json(text: bytes) -> object:
    """ValueError, RecursionError."""
    return _JSON.decode(text.decode())


def read_json(kind: type[_Model], text: bytes) -> _Model:
    """ValidationError: where pydantic refuses it, and where it would take one of two fields of a name."""
    found = kind.model_validate_json(text)
    try:
        parse_json(text)
    except (ValueError, RecursionError) as error:
        field = (error.field,) if isinstance(error, FieldTwice) else ()
        told = PydanticCustomError("ambiguous", "{told}", {"told": str(error)})
        raise ValidationError.from_exception_data(
            kind.__name__, [{"type": told, "loc": field, "input": None}]
        ) from error
    return found


class FieldTwice(ValueError):
    """An object of JSON names a field twice: readers differ in which they take."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} is there twice")
        self.field = field


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise FieldTwice(next(name for name in names if names.count(name) > 1))
    return fields


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
