import os

import pytest

from drstack.errors import DrstackError
from drstack.report import folder as folders
from drstack.report import read_record, write_report
from tests.drstack.report.recorded import recorded

FILES = ["index.html", "record.json", "timeline.png"]


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_a_report_is_a_page_a_picture_and_a_record(tmp_path):
    page = write_report(recorded(), tmp_path / "deep" / "report")
    assert page == tmp_path / "deep" / "report" / "index.html"
    assert names(page.parent) == FILES
    assert read_record(page.with_name("record.json")) == recorded()
    assert "timeline.png" in page.read_text(encoding="utf-8")
    assert names(tmp_path / "deep") == ["report"]


@pytest.mark.slow
def test_a_newer_report_takes_the_place_of_the_older(tmp_path):
    write_report(recorded(), tmp_path / "report")
    write_report(recorded(environment="newer"), tmp_path / "report")
    assert read_record(tmp_path / "report" / "record.json").environment == "newer"
    assert names(tmp_path) == ["report"]
    assert names(tmp_path / "report") == FILES


def test_an_empty_folder_and_a_link_to_one_are_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert write_report(recorded(), tmp_path / "link") == tmp_path / "link" / "index.html"
    assert names(tmp_path / "real") == FILES
    assert (tmp_path / "link").is_symlink()


def test_a_failing_render_leaves_the_older_report(tmp_path):
    write_report(recorded(), tmp_path / "report")
    before = {name: (tmp_path / "report" / name).read_bytes() for name in FILES}
    with pytest.raises(ValueError, match="serialize"):
        write_report(recorded(document={"bad": object()}), tmp_path / "report")
    assert {name: (tmp_path / "report" / name).read_bytes() for name in FILES} == before
    assert names(tmp_path) == ["report"]


def test_the_older_report_comes_back_where_the_newer_cannot_take_its_place(tmp_path):
    goal = tmp_path / "report"
    write_report(recorded(), goal)
    with pytest.raises(FileNotFoundError):
        folders._put_in_place(tmp_path / ".report.gone.new", goal)
    assert names(tmp_path) == ["report"]
    assert names(goal) == FILES


@pytest.mark.parametrize("kind", ["other files", "a file"])
def test_refuses_a_place_that_holds_something_else(tmp_path, kind):
    goal = tmp_path / "home"
    if kind == "a file":
        goal.write_text("kept")
    else:
        goal.mkdir()
        (goal / "thesis.tex").write_text("kept")
    with pytest.raises(DrstackError, match="holds something else than a report"):
        write_report(recorded(), goal)
    assert (goal if kind == "a file" else goal / "thesis.tex").read_text() == "kept"
    assert names(tmp_path) == ["home"]


def test_the_folder_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o022)
    try:
        page = write_report(recorded(), tmp_path / "report")
    finally:
        os.umask(before)
    assert (page.parent.stat().st_mode & 0o777, page.stat().st_mode & 0o777) == (0o755, 0o644)
