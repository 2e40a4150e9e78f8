"""What docs/format.md lists of the witness is what the code writes: kinds of an operation's records, causes, consents."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from drstack.recovery.plan import Plan
from drstack.witness.assignment import Assignment, Consent
from drstack.witness.group import SEVERAL

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "format.md").read_text()
JOURNAL = ROOT / "drstack" / "witness" / "journal.py"


def listed():
    """By kind, the fields that the page gives it."""
    section = PAGE.split("### Records of an operation")[1].split("\n### ")[0]
    rows = re.findall(r"^\| `([a-z -]+)`(?: †)? \| (.+) \|$", section, re.MULTILINE)
    return {kind: set(re.findall(r"`([a-z_]+)`", told)) for kind, told in rows}


def keys_of(node):
    """Names of the fields that a dict display gives; those of a `**` are unknown."""
    return {key.value for key in node.keys if key is not None} if isinstance(node, ast.Dict) else set()


def said_in_journal():
    """(kind, fields) of each decision in journal.py: a pair that begins with a kind."""
    for node in ast.walk(ast.parse(JOURNAL.read_text())):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and not isinstance(node.elts[1], ast.Constant):
            kind, body = node.elts
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                yield kind.value, keys_of(body)


def said_to_a_journal():
    """(kind, fields) of each `journal.write(…)` and of what `_record(…)` passes on to one, in all of drstack."""
    for path in (ROOT / "drstack").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            to, verb = ast.unparse(node.func.value), node.func.attr
            if verb == "_record" and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, {each.arg for each in node.keywords}
            elif verb == "write" and "journal" in to:
                assert isinstance(node.args[0], ast.Constant) or "self._journal.write(kind," in ast.unparse(node)
                if isinstance(node.args[0], ast.Constant):
                    yield node.args[0].value, keys_of(node.args[1])


def test_every_kind_of_an_operations_records_is_on_the_page_with_its_fields_and_no_other():
    written = [*said_in_journal(), *said_to_a_journal()]
    kinds = {kind for kind, _ in written} | {SEVERAL}
    assert {"plan", "intent", "outcome", "end", "pause", "resume", "failure", "again", "consent"} <= kinds
    assert kinds == set(listed())
    for kind, named in written:
        assert named <= listed()[kind], kind
    assert {each.name for each in fields(Plan)} <= listed()["plan"]


def test_every_cause_of_an_assignment_and_every_kind_of_consent_is_on_the_page_and_no_other():
    [row] = [line for line in PAGE.splitlines() if line.startswith("| `assignments` |")]
    causes = re.search(r"`cause` \(([^)]+)\)", row)[1]
    assert sorted(re.findall(r"`([a-z-]+)`", causes)) == sorted(get_args(Assignment.model_fields["cause"].annotation))
    kinds = re.search(r"list of `kind`: ([^;]+);", row)[1]
    assert sorted(re.findall(r"`([a-z-]+)`", kinds)) == sorted(get_args(Consent.model_fields["kind"].annotation))
