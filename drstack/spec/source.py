"""A YAML file as plain values, with the line of every one.

Decides what of YAML an environment file may use. Invariant: only mappings with text keys, lists and scalars come out;
anything else is a fault, and a second key of the same name never replaces the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from drstack.spec.core_yaml import TAG, compose
from drstack.spec.faults import Fault

Step = str | int
Path = tuple[Step, ...]


@dataclass
class Source:
    """`value` is None where nothing could be read; `faults` says why."""

    file: str
    value: object = None
    root: yaml.Node | None = None
    faults: list[Fault] = field(default_factory=list[Fault])

    def line(self, path: Path) -> int:
        """Line of the field, or of the innermost one around it that stands in the file."""
        node, line = self.root, _line(self.root)
        for step in path:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == step), None)
                if found is None:
                    break
                line, node = _line(found[0]), found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = _line(node)
            else:
                break
        return line


def read(text: bytes | str, file: str) -> Source:
    """Values and faults of a YAML text; never raises for what the text holds."""
    source = Source(file)
    try:
        source.root = compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.context, error.problem)))
        source.faults.append(_unreadable(file, mark.line + 1 if mark else 1, problem))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        source.faults.append(_unreadable(file, 1, str(error).partition("\n")[0]))
    if source.root is not None:
        source.value = _Reading(source).value(source.root, ())
    elif not source.faults:
        source.faults.append(Fault(file, 1, "", "an empty file", "an environment", "drstack init writes one"))
    return source


class _Reading:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.done: dict[int, object] = {}
        self.open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> object:
        if id(node) in self.done:
            return self.done[id(node)]
        if id(node) in self.open:
            return self.fault(node, path, "an alias of what is around it", "values that end", "write the value out")
        self.open.add(id(node))
        if node.tag.removeprefix(TAG) not in {"null", "bool", "int", "float", "str", "seq", "map"}:
            result = self.fault(node, path, f"the tag {node.tag}", "plain YAML", "remove the tag")
        elif isinstance(node, yaml.MappingNode):
            result = self.mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            result = [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        else:
            result = self.scalar(node, path)
        self.open.discard(id(node))
        self.done[id(node)] = result
        return result

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = self.value(key, path) if isinstance(key, yaml.ScalarNode) else None
            if key.value == "<<" and key.style is None:
                self.fault(key, (*path, "<<"), "a merge key", "fields", "write the fields out")
            elif not isinstance(name, str):
                shown = ascii(key.value)[1:-1] if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                remedy = f'write "{shown}"' if name is not None else ""
                self.fault(key, path, f"{shown} as a field's name", "text", remedy)
            elif name in result:
                remedy = f"remove it, or the one in line {lines[name]}"
                self.fault(key, (*path, name), f"{name!r} a second time", "each name once", remedy)
            else:
                lines[name] = _line(key)
                result[name] = self.value(value, (*path, name))
        return result

    def scalar(self, node: yaml.Node, path: Path) -> object:
        text = str(node.value)
        try:
            text.encode()
            match node.tag.removeprefix(TAG):
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return int(text)
                case "float":
                    return float(text)
                case _:
                    return text
        except (UnicodeEncodeError, ValueError, KeyError):
            kind = node.tag.removeprefix(TAG)
            return self.fault(
                node, path, ascii(text)[:60], f"a value that YAML reads as {kind}", "correct it or its tag"
            )

    def fault(self, node: yaml.Node, path: Path, got: str, expected: str, remedy: str) -> None:
        self.source.faults.append(Fault(self.source.file, _line(node), dotted(path), got, expected, remedy))


def dotted(path: Path) -> str:
    return ".".join(str(step) for step in path)


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1


def _unreadable(file: str, line: int, problem: str) -> Fault:
    got = f"text that YAML cannot read ({problem})"
    return Fault(file, line, "", got, "YAML", "correct the line or its indentation")
