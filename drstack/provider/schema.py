"""The provider's schema, made from the kinds' input models: `python -m drstack.provider.schema > schema.json`.

Invariant: schema.json beside this file is what this module makes, so that no input is checked that other languages
cannot give.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, cast

from drstack.provider import folders, roles
from drstack.provider.kind import DRIFT, Kind
from drstack.provider.provider import FUNCTIONS, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.provider.kind import Inputs

ANY = {"$ref": "pulumi.json#/Any"}
STRINGS: dict[str, object] = {"type": "array", "items": {"type": "string"}}
COMPUTED: dict[str, tuple[dict[str, object], str]] = {
    "url": ({"type": "string"}, "URL of the repository."),
    "environmentId": ({"type": "string"}, "The random id that the environment got when it was founded."),
    "hash": ({"type": "string"}, "BLAKE3 of the descriptor, as plans name it."),
    "urls": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        "By workload, where clients send requests.",
    ),
    DRIFT: (STRINGS, "What the last refresh found otherwise than it should be."),
}
ROLES: dict[str, object] = {
    "roles": {"type": "object", "additionalProperties": {"type": "string"}, "description": "By workload."},
    "source": {"type": "string", "description": "witness, repository, declared or none."},
    "stale": {"type": "boolean", "description": "Whether the witness was away."},
    "number": {"type": "integer", "description": "Of the assignment that says so; 0 where none is known."},
}
OUTPUTS: dict[str, dict[str, object]] = {
    roles.TOKEN: ROLES,
    folders.TOKEN: {
        "folders": {"type": "object", "additionalProperties": {"type": "string"}, "description": "By site, absolute."}
    },
}


def package() -> dict[str, object]:
    return {
        "name": "drstack",
        "displayName": "drstack",
        "description": "Disaster recovery for GPU clusters: local sites, and environments on their witness.",
        "license": "Apache-2.0",
        "pluginDownloadURL": "",
        "provider": {},
        "resources": {kind.token: _resource(kind) for kind in KINDS},
        "functions": {
            token: {
                "description": _words(sys.modules[model.__module__].__doc__),
                "inputs": {"properties": _properties(model), "required": _required(model)},
                "outputs": {"properties": OUTPUTS[token], "required": sorted(OUTPUTS[token])},
            }
            for token, (model, _) in FUNCTIONS.items()
        },
    }


def _resource(kind: Kind[Any]) -> dict[str, object]:
    given, required = _properties(kind.inputs), _required(kind.inputs)
    made = {name: {**COMPUTED[name][0], "description": COMPUTED[name][1]} for name in (*kind.computed, DRIFT)}
    return {
        "description": _words(sys.modules[kind.__class__.__module__].__doc__),
        "inputProperties": given,
        "requiredInputs": required,
        "properties": {**given, **made},
        "required": sorted({*required, *made}),
    }


def _required(model: type[Inputs]) -> list[str]:
    return sorted(field.alias or name for name, field in model.model_fields.items() if field.is_required())


def _properties(model: type[Inputs]) -> dict[str, object]:
    described = model.model_json_schema(by_alias=True)["properties"]
    return {name: _type(cast("Mapping[str, Any]", body)) for name, body in described.items()}


def _type(body: Mapping[str, Any]) -> dict[str, object]:
    """A JSON Schema type as Pulumi's: objects of several shapes are any object here, and checked by the provider."""
    options: list[Mapping[str, Any]] = [each for each in body.get("anyOf", ()) if each.get("type") != "null"]
    if options:
        return _type(options[0])
    match body.get("type"):
        case "array":
            return {"type": "array", "items": _type(body.get("items", {}))}
        case "object" | None:
            values = body.get("additionalProperties")
            simple = isinstance(values, dict) and "type" in values
            return {"type": "object", "additionalProperties": _type(cast("Any", values)) if simple else ANY}
        case kind:
            return {"type": str(kind)}


def _words(text: str | None) -> str:
    """A module's docstring from behind the token."""
    first = (text or "").strip().partition("\n")[0]
    return first.partition(": ")[2].capitalize() or first


def text() -> str:
    return json.dumps(package(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
