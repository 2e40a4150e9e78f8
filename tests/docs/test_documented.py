"""Every command, option, setting, exit code and feature row is documented where its page says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from drstack.cli.exit_codes import table
from drstack.cli.main import make_app
from replicator.service.config import Destination, ServiceConfig, WatchedWorkload

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LETTERS = {"A": 4, "B": 6, "C": 7, "D": 8, "E": 5, "F": 5, "G": 5, "H": 4, "I": 6, "J": 5}


def commands(command, name=""):
    found = getattr(command, "commands", None)
    if found is None:
        yield name, [o for p in command.params if p.param_type_name == "option" for o in p.opts]
        return
    for verb, each in found.items():
        yield from commands(each, f"{name} {verb}".strip())


@pytest.mark.parametrize(("name", "options"), list(commands(typer.main.get_command(make_app()))))
def test_every_command_and_option_is_on_the_page(name, options):
    page = (DOCS / "cli.md").read_text()
    assert f"`{name.split()[-1]}`" in page or f"drstack {name}" in page, name
    for option in options:
        assert option == "--help" or option in page, f"{name} {option}"


def test_every_setting_of_the_replicator_is_on_its_page():
    page = (DOCS / "replicator.md").read_text()
    for model in (ServiceConfig, Destination, WatchedWorkload):
        for field in model.model_fields:
            assert f"`{field}`" in page, field


def test_every_exit_code_stands_in_the_drawing_of_its_tree():
    import drstack.errors
    import replicator.errors

    drawn = f"{drstack.errors.__doc__}{replicator.errors.__doc__}"
    for code, names in table().items():
        if code >= 20:
            for name in names:
                assert re.search(rf"{name}\s+{code}\b", drawn), f"{name} {code}"


def test_every_row_of_the_features_has_a_state_a_command_and_a_test():
    rows = {
        cells[0]: cells[1:]
        for line in (DOCS / "features.md").read_text().splitlines()
        if re.match(r"\| [A-J]\d ", line)
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert set(rows) == {f"{letter}{n}" for letter, count in LETTERS.items() for n in range(1, count + 1)}
    for identity, (_, state, shows, guards) in rows.items():
        assert state in ("works", "partly", "not yet"), identity
        if state != "not yet":
            assert shows, identity
            assert guards, identity
            for path in re.findall(r"tests/[\w/]+\.py", guards):
                assert (ROOT / path).exists(), f"{identity}: {path}"


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
