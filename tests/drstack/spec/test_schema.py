import json
import re

import jsonschema
import pytest
import yaml

from drstack.spec import json_schema, schema_text
from tests.drstack.spec.declared import LOCAL, PROJECT

FOLDER = PROJECT / "stacks/environments"
PAGE = PROJECT / "docs/environment-file.md"


SCHEMA = json_schema()


def fields_of(node, path=""):
    """Dotted paths of all fields, with <name> for a chosen name and [] for an item of a list."""
    definitions = SCHEMA["$defs"]
    for option in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from fields_of(option, path)
    if "$ref" in node:
        yield from fields_of(definitions[node["$ref"].rpartition("/")[2]], path)
    for name, inner in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, inner
        yield from fields_of(inner, here)
    for inner in node.get("patternProperties", {}).values():
        yield from fields_of(inner, f"{path}.<name>")
    if isinstance(node.get("items"), dict):
        yield from fields_of(node["items"], f"{path}[]")


FIELDS = list(fields_of(SCHEMA))
ROWS = dict(re.findall(r"^\| `([^`]+)` (\|.*)$", PAGE.read_text(), re.MULTILINE))


def test_the_schema_beside_the_environments_is_up_to_date():
    assert (FOLDER / "environment.schema.json").read_text() == schema_text(), (
        "run: drstack schema > stacks/environments/environment.schema.json"
    )


def test_every_environment_names_the_schema_and_holds_by_it():
    paths = sorted(FOLDER.glob("*.yaml"))
    assert paths
    for path in paths:
        assert path.read_text().startswith("# yaml-language-server: $schema=./environment.schema.json\n")
        jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("good", "bad"),
    [("east: {", "East: {"), ("ranks", "rank"), ("local", "locl"), ("45m", "soon"), ("train:", "trian:")],
)
def test_the_schema_refuses_slips(good, bad):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert validator.is_valid(yaml.safe_load(LOCAL))
    assert not validator.is_valid(yaml.safe_load(LOCAL.replace(good, bad, 1)))


def test_the_schema_is_json_that_names_its_dialect():
    schema = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")


def test_every_field_is_described():
    assert [path for path, node in FIELDS if "description" not in node and "$ref" not in node] == []


def test_the_page_documents_every_field_and_no_other():
    assert set(ROWS) == {path for path, _ in FIELDS}


def test_the_page_tells_the_plain_defaults():
    plain = {path: node["default"] for path, node in FIELDS if type(node.get("default")) in {int, bool, str}}
    assert plain
    assert [
        path for path, default in plain.items() if f"`{json.dumps(default).strip(chr(34))}`" not in ROWS[path]
    ] == []
