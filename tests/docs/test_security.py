"""Every test that docs/security.md names is in the file that it names with it: a claim that lost its test is found."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def short_names():
    """By letter the file that it stands for in rows: "`E` is `tests/…`"."""
    return dict(re.findall(r"`([A-Z])`(?: is)?\s+`(tests/[\w/]+\.py)`", PAGE))


def named():
    """(test, file) as the page names them: the last file before the test in its row; after "same", the last of the row above."""
    file, short = None, short_names()
    for row in re.split(r"\n(?=\|)|\n\n|\n(?=- )|(?<=\|)\n", PAGE):
        before, file = file, None
        for path, letter, same, test in re.findall(
            r"`(tests/[\w/]+\.py)`|\b([A-Z])(?=: `test_)|\b(same)\b(?=:\s+`test_)|`(test_\w+)`", row
        ):
            if test:
                yield test, file
            else:
                file = path or short.get(letter) or file or (before if same else None)
        file = file or before


def functions_of(path):
    return {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_page_names_is_in_the_file_that_it_names():
    found = set(named())
    assert {test for test, _ in found} == set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(found) > 90
    assert not {test for test, file in found if file is None}
    there = {file: functions_of(file) for _, file in found}
    assert not {(file, test) for test, file in found if test not in there[file]}


def test_every_file_that_the_page_names_is_a_path_and_there():
    assert set(short_names()) == {"A", "B", "E", "S"}
    assert not re.findall(r"`test_\w+\.py`", PAGE)
    files = set(re.findall(r"tests/[\w/]+\.py", PAGE))
    assert len(files) > 20
    assert not {name for name in files if not (ROOT / name).is_file()}
