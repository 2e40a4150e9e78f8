import os
import shutil
import subprocess
import threading

import pytest

from drstack.errors import KitNotMade
from drstack.kit import manifest, shelf, start
from tests.drstack.kit.kits import fill
from tests.replicator.stores.test_local_full_disk import small_disk  # noqa: F401 - a fixture


def quiet(_):
    """Nobody listens."""


def whole(kit):
    body = manifest.read(kit).model_dump(mode="json")
    return start.damage(kit, body) == []


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_kits_are_numbered_and_the_last_few_are_kept(tmp_path):
    made = [shelf.place(tmp_path, fill, quiet) for _ in range(5)]
    assert [path.name for path in made] == ["1", "2", "3", "4", "5"]
    assert names(tmp_path) == ["3", "4", "5"]
    assert all(whole(path) for path in made[2:])


def test_a_kit_that_was_made_ready_is_kept_since_a_site_may_run_from_it(tmp_path):
    (shelf.place(tmp_path, fill, quiet) / "ready").mkdir()
    for _ in range(4):
        shelf.place(tmp_path, fill, quiet)
    assert names(tmp_path) == ["1", "3", "4", "5"]


def test_a_full_disk_leaves_the_kit_that_was_there(small_disk):  # noqa: F811
    before = shelf.place(small_disk, fill, quiet)

    def too_much(kit):
        fill(kit)
        (kit / "wheels" / "large.whl").write_bytes(b"x" * 2 * 1024 * 1024)

    with pytest.raises(KitNotMade, match=f"in {small_disk}.*those that were there stay") as refused:
        shelf.place(small_disk, too_much, quiet)
    assert "Free space" in str(refused.value.hint)
    assert names(small_disk) == ["1"]
    assert whole(before)
    assert shelf.place(small_disk, fill, quiet).name == "2"


def test_what_a_killed_writing_left_is_no_kit_and_goes_with_the_next(tmp_path):
    pid = os.fork()
    if pid == 0:
        shelf.place(tmp_path, lambda kit: (fill(kit), os._exit(9)), quiet)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert len(names(tmp_path)) == 1
    assert shelf.numbers(tmp_path) == ()
    assert shelf.place(tmp_path, fill, quiet).name == "1"
    assert names(tmp_path) == ["1"]


def test_two_at_once_make_two_whole_kits(tmp_path):
    both = threading.Barrier(2)

    def write():
        both.wait(30)
        shelf.place(tmp_path, fill, quiet)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert names(tmp_path) == ["1", "2"]
    assert all(whole(tmp_path / name) for name in ("1", "2"))


def test_a_place_that_cannot_be_written_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KitNotMade, match="no kit could be written"):
        shelf.place(tmp_path / "file" / "kit", fill, quiet)


def test_sha256sum_agrees_with_the_manifest(tmp_path):
    kit = shelf.place(tmp_path, fill, quiet)
    if shutil.which("sha256sum") is None:
        pytest.skip("this system has no sha256sum")
    lines = "".join(f"{each.sha256}  {name}\n" for name, each in manifest.read(kit).files.items())
    subprocess.run(["sha256sum", "--check", "--quiet"], cwd=kit, input=lines, text=True, check=True, timeout=30)
