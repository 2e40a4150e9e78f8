from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.engine import __main__ as make_engine
from tools.engine import kept, onpath
from tools.engine.choice import Choice, Engine, NoEngine, Unserved, Way, choose
from tools.engine.record import PATH
from tools.engine.version import OLDEST, WANTED, Version, objection, parse


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0\n", Version(3, 259, 0)),
        ("3.227.4", Version(3, 227, 4)),
        ("v3.260.1-alpha.1731+dirty\r\n", Version(3, 260, 1)),
        ("warning: A new version of Pulumi is available.\nv3.230.0\n", Version(3, 230, 0)),
    ],
)
def test_reads_what_pulumi_version_prints(text: str, version: Version) -> None:
    assert parse(text) == version


@pytest.mark.parametrize("text", ["", "pulumi", "upgrade from version v3.1.0 to v3.2.0", "v3.259"])
def test_refuses_what_holds_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        parse(text)


def test_takes_the_oldest_and_the_wanted_version_and_refuses_what_lies_outside() -> None:
    assert objection(OLDEST) is None
    assert objection(WANTED) is None
    assert objection(Version(3, 1000, 0)) is None
    assert objection(Version(3, 226, 9)) == "3.226.9 is older than 3.227.0"
    assert objection(Version(4, 0, 0)) == "4.0.0 is not of Pulumi 3"


def unserved(reason: str) -> Way:
    def take() -> Engine:
        raise Unserved(reason)

    return Way(reason.split(maxsplit=1)[0], take)


def never() -> Engine:
    pytest.fail("a way after the first that serves was tried")


ENGINE = Engine(Path("/engine/bin"), WANTED, "go", "made now")


def test_takes_the_first_way_that_serves_and_tries_no_other() -> None:
    choice = choose([unserved("a is missing"), Way("b", lambda: ENGINE), Way("c", never)])
    assert choice == Choice(ENGINE, ("a: a is missing",))


def test_names_every_way_that_failed() -> None:
    with pytest.raises(NoEngine) as failure:
        choose([unserved("a is missing"), unserved("b is cut off")])
    assert failure.value.reasons == ("a: a is missing", "b: b is cut off")


def test_records_the_choice_and_says_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_engine.main([unserved("a is missing"), Way("b", lambda: ENGINE)], tmp_path) == 0
    assert json.loads((tmp_path / PATH).read_text()) == {
        "bin": "/engine/bin",
        "version": "3.259.0",
        "way": "go",
        "why": "made now; a: a is missing",
    }
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "through the Go module proxy" in said
    assert "a is missing" in said


def test_says_every_reason_and_the_remedy_where_nothing_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_engine.main([Way("once", lambda: ENGINE)], tmp_path)
    assert make_engine.main([unserved("a is missing"), unserved("b is cut off")], tmp_path) == 1
    said = capsys.readouterr().err
    assert "a is missing" in said
    assert "b is cut off" in said
    assert "`make engine` again" in said
    assert not (tmp_path / PATH).exists()


def put_program(folder: Path, name: str, prints: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
    (folder / name).chmod(0o755)


def put_engine(folder: Path, version: str) -> None:
    put_program(folder, "pulumi", version)
    put_program(folder, "pulumi-language-python")


def test_takes_the_engine_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_engine(tmp_path, "v3.300.1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    engine = onpath.take()
    assert (engine.bin, engine.version, engine.way) == (tmp_path, Version(3, 300, 1), "path")


def test_finds_the_language_host_beside_what_a_link_on_path_points_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_engine(tmp_path / "real", "v3.300.1")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "pulumi").symlink_to(tmp_path / "real" / "pulumi")
    monkeypatch.setenv("PATH", f"{tmp_path / 'links'}:/usr/bin:/bin")
    assert onpath.take().bin == tmp_path / "real"


@pytest.mark.parametrize(
    ("version", "host", "reason"),
    [
        ("v3.226.0", True, "older than 3.227.0"),
        ("v3.300.0", False, "no pulumi-language-python beside"),
        ("hello", True, "no version in 'hello'"),
    ],
)
def test_refuses_an_engine_on_path_that_does_not_serve(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, host: bool, reason: str
) -> None:
    put_program(tmp_path, "pulumi", version)
    if host:
        put_program(tmp_path, "pulumi-language-python")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unserved, match=reason):
        onpath.take()


def test_says_that_none_is_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unserved, match="no pulumi on PATH"):
        onpath.take()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_keeps_what_was_made_and_finds_it_the_next_time(own_cache: Path) -> None:
    with pytest.raises(Unserved, match=r"no 3\.259\.0 kept"):
        kept.take()
    made = kept.make("go", lambda folder: put_engine(folder, f"v{WANTED}"))
    assert made.bin.is_relative_to(own_cache / "engine")
    found = kept.take()
    assert (found.bin, found.version, found.way) == (made.bin, WANTED, "go")


def test_keeps_nothing_of_an_engine_that_does_not_run(own_cache: Path) -> None:
    with pytest.raises(Unserved, match="it says that it is"):
        kept.make("release", lambda folder: put_engine(folder, "v3.258.0"))
    with pytest.raises(Unserved, match="no pulumi-language-python in"):
        kept.make("release", lambda folder: put_program(folder, "pulumi", f"v{WANTED}"))
    assert not kept.folder().exists()
    assert [path.name for path in (own_cache / "engine").iterdir()] == [f"{kept.folder().name}.lock"]


@pytest.mark.usefixtures("own_cache")
def test_makes_a_kept_engine_anew_that_no_longer_runs() -> None:
    kept.make("go", lambda folder: put_engine(folder, f"v{WANTED}"))
    (kept.folder() / "bin" / "pulumi").write_bytes(b"\x7fELF torn")
    with pytest.raises(Unserved, match="does not run"):
        kept.take()
    kept.make("release", lambda folder: put_engine(folder, f"v{WANTED}"))
    assert kept.take().way == "release"
