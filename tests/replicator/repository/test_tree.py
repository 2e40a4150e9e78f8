"""A checkpoint's folder comes back as it was: names, modes, times, links, holes, and folders that are empty."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from replicator.errors import CheckpointTorn, DataCorrupt
from replicator.layouts import inspect
from replicator.model import PackRef
from replicator.repository import manifest as manifests
from replicator.repository.manifest import File, Folder, Link, Manifest
from replicator.repository.names import is_text, to_disk, to_text
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.service.spool import Spool
from tests.replicator.repository.rig import push, repository, seen

NOT_TEXT = os.fsdecode(b"weights-\xff\xfe.bin")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "step-7"
    (root / "rank" / "deep").mkdir(parents=True)
    (root / "rank" / "deep" / ("n" * 255)).write_bytes(b"long name")
    (root / "weights").write_bytes(os.urandom(300_000))
    (root / "empty").write_bytes(b"")
    (root / NOT_TEXT).write_bytes(b"no text")
    (root / "new\nline\\and back").write_bytes(b"legal")
    (root / "latest").symlink_to("rank/deep")
    (root / "rank" / "w").symlink_to("../weights")
    (root / "again").hardlink_to(root / "weights")
    with (root / "sparse").open("wb") as file:
        file.truncate(24 << 20)
        file.seek(9 << 20)
        file.write(b"x")
    (root / "logs" / "none").mkdir(parents=True)
    (root / "logs" / "none").chmod(0o750)
    os.utime(root / "logs" / "none", ns=(11, 123_456_789_012_345_678))
    (root / "weights").chmod(0o604)
    os.utime(root / "weights", ns=(1, 1_234_567_890_123_456_789))
    return root


def shipped(root, there):
    candidate = inspect(root)
    assert candidate.complete, candidate.why
    accepted = ship(push(1, 7), take_snapshot(root, candidate.files, candidate.folders), there)
    assert accepted is not None
    return accepted


def test_a_tree_comes_back_as_it_was(folder, tmp_path):
    there = repository()
    restored = restore(there, shipped(folder, there), tmp_path / "back").path
    assert seen(restored) == seen(folder)
    assert (restored / "again").samefile(restored / "weights")
    assert (restored / "sparse").stat().st_blocks * 512 < 12 << 20
    assert restore(there, there.log("gpt").view().in_order()[0], restored).already


def test_the_spool_pins_a_tree_as_it_is(folder, tmp_path):
    spool = Spool(tmp_path / "spool")
    candidate = inspect(folder)
    direct = take_snapshot(folder, candidate.files, candidate.folders)
    making = spool.pin(folder, candidate.files, folders=candidate.folders)
    assert seen(making / "files") == seen(folder)
    entry = spool.admit(making, push(1, 7), "s", take_snapshot(making / "files", candidate.files, candidate.folders))
    (again,) = Spool(tmp_path / "spool").entries()
    assert Spool(tmp_path / "spool").snapshot(again).digest == entry.root == direct.digest


def test_a_destination_where_a_link_leads_elsewhere_is_not_the_checkpoint(folder, tmp_path):
    there = repository()
    accepted = shipped(folder, there)
    restored = restore(there, accepted, tmp_path / "back").path
    (restored / "rank" / "w").unlink()
    (restored / "rank" / "w").symlink_to("../empty")
    with pytest.raises(Exception, match="holds something else"):
        restore(there, accepted, restored)


def test_where_a_link_leads_and_which_folder_is_empty_is_part_of_what_is_vouched_for(folder):
    candidate = inspect(folder)
    before = take_snapshot(folder, candidate.files, candidate.folders)
    assert before.digest != take_snapshot(folder, candidate.files).digest
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("rank")
    assert take_snapshot(folder, candidate.files, candidate.folders).digest != before.digest


def test_an_absolute_link_to_a_file_inside_travels_as_its_contents(tmp_path):
    root = tmp_path / "step-1"
    root.mkdir()
    (root / "a").write_bytes(b"contents")
    (root / "b").symlink_to(root / "a")
    there = repository()
    back = restore(there, shipped(root, there), tmp_path / "back").path
    assert not (back / "b").is_symlink()
    assert (back / "b").read_bytes() == b"contents"


@pytest.mark.parametrize("target", ["/etc", "../..", "nowhere"])
def test_a_link_that_leads_out_or_nowhere_is_refused(tmp_path, target):
    root = tmp_path / "step-1"
    root.mkdir()
    (root / "a").write_bytes(b"contents")
    (root / "b").symlink_to(target)
    assert not inspect(root).complete


def test_a_link_to_what_does_not_travel_is_no_link_afterwards(tmp_path):
    root = tmp_path / "step-1"
    root.mkdir()
    (root / ".hidden").write_bytes(b"contents")
    (root / "b").symlink_to(".hidden")
    there = repository()
    back = restore(there, shipped(root, there), tmp_path / "back").path
    assert (back / "b").read_bytes() == b"contents"
    assert not (back / "b").is_symlink()


def test_names_and_texts_are_one_to_one():
    for name in ["plain", NOT_TEXT, "é", os.fsdecode(b"\xc3"), os.fsdecode(b"a\x80b")]:
        assert to_disk(to_text(name)) == name
        assert is_text(to_text(name))
        to_text(name).encode()
    assert not is_text("a\0b")
    assert not is_text("\0c3\0a9")
    assert not is_text("\udc80")


FILE = File(path="a", mode=0o600, mtime_ns=1, size_bytes=0, digest="d", blocks=())


@pytest.mark.parametrize(
    "more",
    [
        {"links": (Link(path="l", target="../x"),)},
        {"links": (Link(path="l", target="/etc/passwd"),)},
        {"links": (Link(path="../l", target="a"),)},
        {"links": (Link(path="s/l", target="../../a"),)},
        {"links": (Link(path="a", target="b"),)},
        {"links": (Link(path="l", target="a"), Link(path="l/x", target="a"))},
        {"folders": (Folder(path="a/b", mode=0o700, mtime_ns=1),)},
        {"folders": (Folder(path="..", mode=0o700, mtime_ns=1),)},
        {"folders": (Folder(path="a", mode=0o700, mtime_ns=1),)},
        {"files": (FILE.model_copy(update={"hard_link": "b"}),)},
        {"files": (FILE, FILE.model_copy(update={"path": "b", "digest": "e", "hard_link": "a"}))},
        {"files": (FILE.model_copy(update={"path": "x\0zz"}),)},
    ],
)
def test_a_manifest_that_would_reach_out_of_the_folder_or_contradicts_itself_is_refused(more):
    manifest = Manifest(**{"push": "00", "files": (FILE,), "blocks": (), "packs": (), **more})
    with pytest.raises(DataCorrupt):
        manifests.decode(manifests.encode(manifest), "here")


def test_links_that_lead_out_together_end_the_restore(tmp_path):
    """Each stays inside by its name; `up` is a folder link, and what is named through it is not."""
    from replicator.repository.placing import finish

    links = (Link(path="a/b/up", target="../.."), Link(path="x", target="a/b/up/../../y"))
    manifest = Manifest(push="00", files=(), blocks=(), packs=(), links=links)
    (tmp_path / "r").mkdir()
    with pytest.raises(DataCorrupt, match="leads out"):
        finish(tmp_path / "r", manifest)


def test_a_manifest_without_links_and_folders_has_none_of_their_fields():
    manifest = Manifest(push="00", files=(FILE,), blocks=(), packs=())
    assert not {"links", "folders", "chunker"} & set(manifest.model_dump(mode="json"))
    assert "hard_link" not in manifest.model_dump(mode="json")["files"][0]
    with pytest.raises(ValidationError):
        Manifest(push="00", files=(), blocks=(), packs=(PackRef(digest="x", size_bytes=-1),))


def test_a_folder_that_vanishes_makes_the_checkpoint_torn(folder):
    candidate = inspect(folder)
    (folder / "logs" / "none").rmdir()
    with pytest.raises(CheckpointTorn):
        take_snapshot(folder, candidate.files, candidate.folders)
