import sys
from pathlib import Path

import pytest

from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.interpreter import gone, of_site


@pytest.fixture
def folder(tmp_path):
    made = site_folder(tmp_path / "site")
    made.make()
    return made


def program(path):
    path.symlink_to(sys.executable)
    return str(path)


def test_the_first_callers_interpreter_stays_the_sites(folder, tmp_path):
    first, second = program(tmp_path / "first"), program(tmp_path / "second")
    assert of_site(folder, first) == first
    assert of_site(folder, second) == first


def test_an_interpreter_that_is_gone_is_replaced_by_the_callers(folder, tmp_path):
    first, second = program(tmp_path / "first"), program(tmp_path / "second")
    of_site(folder, first)
    assert not gone(folder)
    Path(first).unlink()
    assert gone(folder)
    assert of_site(folder, second) == second
    assert of_site(folder) == second
