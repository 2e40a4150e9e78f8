"""Every run begins with the repository that the one before it began with."""

from __future__ import annotations

from benchmarks.peers.keeper import World
from benchmarks.stage import Stage


def test_a_world_that_becomes_another_shares_objects_and_copies_what_a_program_rewrites(tmp_path):
    one, other = World(tmp_path / "one"), World(tmp_path / "other")
    one.clear()
    (one.repository / "packs").mkdir(parents=True)
    (one.repository / "packs" / "a").write_bytes(b"x" * 100)
    (one.home / "seen").write_text("1")
    other.become(one)
    (other.home / "seen").write_text("2")
    (other.repository / "packs" / "b").write_bytes(b"y" * 10)
    assert ((one.home / "seen").read_text(), one.stored_bytes(), other.stored_bytes()) == ("1", 100, 110)
    other.become(one)
    assert other.stored_bytes() == 100


def test_a_program_sees_nothing_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("DRSTACK_KEYS", "/home/somebody/keys")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    seen = World(tmp_path).environment({"RESTIC_PASSWORD": "p"})
    assert "DRSTACK_KEYS" not in seen
    assert "PYTHONDONTWRITEBYTECODE" not in seen
    assert {seen["HOME"], seen["XDG_STATE_HOME"]} == {str(tmp_path / "home"), str(tmp_path / "home" / "state")}
    assert seen["RESTIC_PASSWORD"] == "p"


def test_a_checkpoint_is_shown_at_the_one_path_and_put_back_with_its_times(tmp_path):
    stage = Stage(tmp_path, 1, True, {})
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "w").write_text("w")
    before = (folder / "w").stat()
    with stage.shown(folder) as shown:
        assert (shown == stage.checkpoint, folder.exists()) == (True, False)
    after = (folder / "w").stat()
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_ino) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_ino,
    )
    again = stage.saved_again(folder, tmp_path / "again")
    assert (again / "w").stat().st_ino != before.st_ino
