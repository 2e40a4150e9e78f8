"""What pydantic found, as faults.

Decides the words: which field is meant, what may stand there, and what to write. Invariant: one error makes one fault.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, cast

from drstack.spec.faults import Fault
from drstack.spec.schema import field_schema
from drstack.spec.sites import PLATFORMS
from drstack.spec.source import dotted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from drstack.spec.source import Path, Source

SHAPES = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "too_short": "at least one",
    "string_too_short": "text",
}
KEY = "[key]"


def explain(error: ErrorDetails, source: Source) -> Fault:
    path, tagged = error["loc"], _plain(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if path[-1:] == (KEY,):
        tagged = tagged[:-1]
    if kind.startswith("union_tag"):
        path, tagged = (*path, "platform"), (*tagged, "platform")
    got, expected, remedy = (
        "nothing" if kind in {"missing", "union_tag_not_found"} else shown(context.get("got", error["input"])),
        "",
        "",
    )
    name = str(tagged[-1]) if tagged else ""
    if kind == "extra_forbidden":
        got, (expected, remedy) = f"an unknown field {name!r}", _unknown(path[:-1], name)
    elif kind in {"literal_error", "union_tag_invalid", "union_tag_not_found"}:
        choices = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", PLATFORMS))))
        got = shown(context["tag"]) if kind == "union_tag_invalid" else got
        expected, remedy = f"one of {', '.join(choices)}", _closest(name, got.strip("'"), choices)
    else:
        expected = SHAPES.get(kind) or _expected(error["msg"], kind, context, path)
        remedy = context.get("remedy") or _example(path, name, kind)
    return Fault(source.file, source.line(tagged), dotted(tagged), got, expected, remedy)


def shown(value: object) -> str:
    """A value in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"  # noqa: PLR2004


def _plain(path: Path) -> Path:
    """The path without the tags that pydantic puts in for a union."""
    match path:
        case ("sites", site, tag, *rest) if tag != KEY:
            return ("sites", site, *rest)
        case ("workloads", workload, "job", _, *rest):
            return ("workloads", workload, "job", *rest)
        case _:
            return path


def _unknown(parent: Path, name: str) -> tuple[str, str]:
    known = list(cast("dict[str, Any]", field_schema(parent).get("properties", {})))
    near = difflib.get_close_matches(name, known, n=1)
    return f"one of {', '.join(known)}", f"did you mean {near[0]}?" if near else f"remove {name}"


def _closest(name: str, got: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(got.lower(), choices, n=1)
    return f"write {name}: {near[0]}" if near else f"write {name}: {choices[0]}, or another of them"


def _expected(message: str, kind: str, context: dict[str, Any], path: Path) -> str:
    if kind == "greater_than_equal":
        return f"at least {context['ge']}"
    if kind == "less_than_equal":
        return f"at most {context['le']}"
    if kind in {"missing", "string_pattern_mismatch"}:
        said = str(field_schema(path).get("description", "a value")).partition(";")[0].rstrip(".")
        return said[:1].lower() + said[1:]
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return text[:1].lower() + text[1:]


def _example(path: Path, name: str, kind: str) -> str:
    examples = cast("list[object]", field_schema(path).get("examples", []))
    if not examples:
        return ""
    return f"{'add' if kind == 'missing' else 'write'} {name}: {_flow(examples[0])}"


def _flow(value: object) -> str:
    """A value as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in cast("dict[str, object]", value).items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in cast("list[object]", value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
