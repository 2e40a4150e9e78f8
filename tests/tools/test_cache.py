from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools import cache


def serves(folder: Path) -> bool:
    return (folder / "whole").exists()


def fill(folder: Path) -> None:
    (folder / "whole").touch()


def install(folder: Path, make: cache.Callable[[Path], None] = fill) -> bool:
    return cache.install(folder, make, serves=serves, label="test", timeout_s=30)


def test_lies_where_the_environment_says() -> None:
    assert cache.root({"DRSTACK_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache.root({"XDG_CACHE_HOME": "/b"}) == Path("/b/drstack")
    assert cache.root({"DRSTACK_CACHE": "", "XDG_CACHE_HOME": ""}) == Path.home() / ".cache" / "drstack"


def test_makes_once(tmp_path: Path) -> None:
    assert install(tmp_path / "c" / "1.0")
    assert not install(tmp_path / "c" / "1.0", make=lambda _: pytest.fail("made again"))


def test_leaves_nothing_of_what_failed(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        install(tmp_path / "1.0", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["1.0.lock"]


def test_replaces_what_does_not_serve(tmp_path: Path) -> None:
    (tmp_path / "1.0" / "torn").mkdir(parents=True)
    assert install(tmp_path / "1.0")
    assert [path.name for path in (tmp_path / "1.0").iterdir()] == ["whole"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.0", "1.0.lock"]


def test_the_second_of_two_waits_and_makes_nothing(tmp_path: Path) -> None:
    started, made = threading.Event(), list[bool]()

    def slowly(folder: Path) -> None:
        started.set()
        time.sleep(0.3)
        fill(folder)

    first = threading.Thread(target=lambda: made.append(install(tmp_path / "1.0", slowly)))
    first.start()
    assert started.wait(10)
    assert not install(tmp_path / "1.0", lambda _: pytest.fail("made twice"))
    first.join(10)
    assert made == [True]


def test_gives_up_waiting_with_the_lock_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        cache.exclusive(lock, label="test", timeout_s=1),
        pytest.raises(cache.LockBusy, match=str(lock)),
        cache.exclusive(lock, label="test", timeout_s=0.1),
    ):
        pytest.fail("two held one lock")


KILLED = """
import sys, time
from pathlib import Path
from tools import cache

def make(folder):
    (folder / "whole").touch()
    print("half way", flush=True)
    time.sleep(60)

cache.install(Path(sys.argv[1]), make, serves=lambda folder: folder.exists(), label="test", timeout_s=30)
"""


def test_what_a_killed_process_left_is_no_finished_one_and_is_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "1.0"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half way\n"
        process.kill()
    assert not folder.exists()
    assert len(list(tmp_path.glob(".1.0.partial-*"))) == 1
    assert install(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.0", "1.0.lock"]
