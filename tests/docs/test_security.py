"""Every test that docs/security.md names is there: a claim that lost its test is found."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_that_the_page_names_exists():
    page = (ROOT / "docs" / "security.md").read_text()
    there = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_[a-z_0-9]+)`", page))
    assert len(named) > 30
    assert not {name for name in named if f"def {name}(" not in there}
    files = set(re.findall(r"tests/[\w/]+\.py", page))
    assert files
    assert not {name for name in files if not (ROOT / name).is_file()}
