"""The environment file as JSON Schema, for editors and for telling what a field may hold.

Decides what the schema adds to the models: its dialect, and that names follow their pattern. Invariant: the schema is
made from the models alone, so that it accepts no field that the reader refuses.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from drstack.spec.environment import Environment

if TYPE_CHECKING:
    from pydantic import JsonValue

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, JsonValue]:
    schema = Environment.model_json_schema(by_alias=True)
    _close(schema)
    return {"$schema": DIALECT, **schema, "title": "drstack environment"}


def schema_text() -> str:
    """The schema as the file beside the environments holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def field_schema(path: tuple[str | int, ...]) -> dict[str, Any]:
    """What the schema says of a field; `path` holds the tag of each union. Empty where there is no such field."""
    node = _document()
    for step in path:
        node = _child(_opened(node), step)
    return node | {key: value for key, value in _opened(node).items() if key not in node}


def _child(node: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        items = node.get("items", {})
        return cast("dict[str, Any]", items if isinstance(items, dict) else {})
    if step in node.get("properties", {}):
        return node["properties"][step]
    if "oneOf" in node:
        ref = node.get("discriminator", {}).get("mapping", {}).get(step, f"#/$defs/{step}")
        return {"$ref": ref} if {"$ref": ref} in node["oneOf"] else {}
    if "patternProperties" in node:
        return next(iter(node["patternProperties"].values()))
    others = node.get("additionalProperties")
    return cast("dict[str, Any]", others) if isinstance(others, dict) else {}


def _opened(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _opened(_document()["$defs"][node["$ref"].removeprefix("#/$defs/")])
    present = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    mappings = [option for option in present if "$ref" in option] if len(present) > 1 else present
    return _opened(mappings[0]) if len(mappings) == 1 else node


@cache
def _document() -> dict[str, Any]:
    return cast("dict[str, Any]", json_schema())


def _close(node: object) -> None:
    if isinstance(node, dict):
        mapping = cast("dict[str, object]", node)
        if "patternProperties" in mapping:
            mapping["additionalProperties"] = False
        for value in mapping.values():
            _close(value)
    elif isinstance(node, list):
        for value in cast("list[object]", node):
            _close(value)
