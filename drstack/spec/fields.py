"""Types of single fields, shared by all parts of the environment file.

Decides how one value is read and how it is written in JSON. Invariant: a type raises one error with what is expected.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from drstack.spec.capacity import Capacity, parse_capacity
from drstack.spec.quantities import (
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)
from drstack.spec.urls import STATE_SCHEMES, shown_url, url_fault, witness_fault

LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
KEY_NAME = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$"


class Declared(BaseModel):
    """A mapping of the file: unknown fields are faults, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def derived(default: object, note: str, **described: Any) -> Any:
    """A field whose default depends on others: the schema says how in words, in place of a value."""

    def without_default(schema: dict[str, Any]) -> None:
        schema.pop("default", None)
        schema["description"] = f"{schema.get('description', '')} Default: {note}."

    return Field(default=default, json_schema_extra=without_default, **described)


def _label(text: str) -> str:
    if re.fullmatch(LABEL, text) is None:
        near = re.sub(r"[^a-z0-9]+", "-", text.lower())[:63].strip("-")
        raise PydanticCustomError(
            "name",
            "a name of lower-case letters, digits and inner hyphens, at most 63 long",
            {"remedy": f"write {near}" if near else "write a name such as east"},
        )
    return text


def _key_name(text: str) -> str:
    if re.fullmatch(KEY_NAME, text) is None:
        raise PydanticCustomError(
            "key-name",
            "a name of letters, digits, dots, dashes, underscores and @, at most 63 long",
            {"remedy": "write a name such as recovery@acme"},
        )
    return text


def _folder(text: str) -> str:
    path = PurePosixPath(text)
    if ".." in path.parts or str(path) in {".", "/"} or "\0" in text:
        raise PydanticCustomError(
            "folder", "a folder, without `..`", {"remedy": "write a folder below the one around it"}
        )
    return str(path)


def _words(value: object) -> object:
    return value if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def _witness(url: str) -> str:
    return _address(url, witness_fault(url))


def _state(url: str) -> str:
    return _address(url, url_fault(url, STATE_SCHEMES))


def _address(url: str, expected: str | None) -> str:
    if expected is not None:
        plain = re.fullmatch(r"[A-Za-z0-9._/-]+", url)
        raise PydanticCustomError(
            "url",
            "{expected}",
            {"expected": expected, "got": shown_url(url)} | ({"remedy": f"write file:{url}"} if plain else {}),
        )
    return url


def _quantity(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number", "minimum": 0}]})


Name = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": LABEL})]
KeyName = Annotated[str, AfterValidator(_key_name), WithJsonSchema({"type": "string", "pattern": KEY_NAME})]
Folder = Annotated[str, Field(min_length=1), AfterValidator(_folder)]
Word = Annotated[str, BeforeValidator(_words), WithJsonSchema({"type": ["string", "number"]})]
WitnessUrl = Annotated[str, AfterValidator(_witness)]
StateUrl = Annotated[str, AfterValidator(_state)]
Duration = Annotated[
    float,
    PlainValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _quantity(r"^[0-9][0-9.dhms]*$"),
]
Size = Annotated[
    int,
    PlainValidator(parse_size),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    _quantity(r"^[0-9.]+ ?([kMGTP]?B|[KMGTP]iB)?$"),
]
Rate = Annotated[
    int,
    PlainValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _quantity(r"^[0-9.]+ ?([kMGT]?bit/s)?$"),
]
Share = Annotated[
    Capacity,
    PlainValidator(parse_capacity),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?%$"}, {"type": "integer", "minimum": 0}]}),
]
