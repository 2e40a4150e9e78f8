"""YAML text as nodes with line marks.

Decides the dialect: YAML 1.2's core schema, so that `no`, `12:30` and `2026-01-01` stay text and `010` is not eight.
Invariant: nodes nest no deeper than `DEEPEST`, and no tag makes an object.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

DEEPEST = 32
TAG = "tag:yaml.org,2002:"
DECIMAL = r"[-+]?(0|[1-9][0-9]{0,17})"
FLOAT = r"[-+]?(([0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]{1,3})?|[0-9]+[eE][-+]?[0-9]{1,3})"
PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "int": (DECIMAL, [*"-+0123456789"]),
    "float": (FLOAT, [*"-+.0123456789"]),
}


class _CoreLoader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth == DEEPEST:
            mark = cast("Any", self).peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"values nested deeper than {DEEPEST}", problem_mark=mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


cast("Any", _CoreLoader).yaml_implicit_resolvers = {}
for kind, (pattern, first) in PLAIN.items():
    cast("Any", _CoreLoader).add_implicit_resolver(TAG + kind, re.compile(rf"(?:{pattern})\Z"), first)


def compose(text: bytes | str) -> yaml.Node | None:
    """The document's node; None where it is empty.

    Raises yaml.YAMLError, and, from escapes and directives out of range, ValueError or OverflowError.
    """
    return cast("yaml.Node | None", cast("Any", yaml).compose(text, Loader=_CoreLoader))
