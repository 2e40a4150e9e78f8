"""A DCP folder is complete when everything that its metadata names is there, and says why when it is not."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
import torch.distributed.checkpoint as dcp

from replicator.layouts import Candidate, Certainty, Settle, find, inspect
from replicator.layouts.steps import step_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({"w": torch.arange(100.0), "step": 1}, checkpoint_id=folder, no_dist=True)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved, tmp_path / "watched" / "step-00000040")
    return tmp_path / "watched" / "step-00000040"


def only(folder: Path) -> Candidate:
    (candidate,) = find(folder.parent)
    assert candidate == inspect(folder)
    return candidate


def test_a_whole_checkpoint_is_complete(folder: Path) -> None:
    assert only(folder) == Candidate(
        folder,
        40,
        (".metadata", "__0_0.distcp"),
        complete=True,
        why="every file that `.metadata` names is there",
        layout="dcp",
        certainty=Certainty.DECLARED,
        settle=Settle.AT_ONCE,
    )


def test_says_that_the_metadata_is_missing(folder: Path) -> None:
    (folder / ".metadata").rename(folder / ".metadata.tmp")
    candidate = only(folder)
    assert (candidate.complete, candidate.why, candidate.files) == (False, "`.metadata` missing", ("__0_0.distcp",))


def test_says_how_much_of_a_file_is_there(folder: Path) -> None:
    storage = folder / "__0_0.distcp"
    size = storage.stat().st_size
    with storage.open("r+b") as file:
        file.truncate(1024)
    assert (only(folder).complete, only(folder).why) == (False, f"`__0_0.distcp` has 1024 of {size} bytes")


def test_every_truncation_is_torn(folder: Path) -> None:
    storage = folder / "__0_0.distcp"
    for size in range(storage.stat().st_size - 1, -1, -97):
        with storage.open("r+b") as file:
            file.truncate(size)
        assert not only(folder).complete


def test_says_which_file_is_missing(folder: Path) -> None:
    (folder / "__0_0.distcp").unlink()
    assert (only(folder).complete, only(folder).why) == (False, "`__0_0.distcp` missing")


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\x80\x04cos\nsystem\n."])
def test_says_that_the_metadata_cannot_be_read(folder: Path, content: bytes) -> None:
    (folder / ".metadata").write_bytes(content)
    candidate = only(folder)
    assert not candidate.complete
    assert candidate.why.startswith("`.metadata` unreadable: ")


@pytest.mark.slow
def test_a_metadata_cut_off_anywhere_is_torn(folder: Path) -> None:
    raw = (folder / ".metadata").read_bytes()
    for size in range(len(raw)):
        (folder / ".metadata").write_bytes(raw[:size])
        assert not inspect(folder).complete


def test_a_checkpoint_that_is_written_again_is_torn(folder: Path) -> None:
    (folder / ".metadata.tmp").write_bytes(b"")
    assert (only(folder).complete, "written again" in only(folder).why) == (False, True)


def test_notices_that_a_file_changed_since_it_last_looked(folder: Path) -> None:
    assert only(folder).complete
    (folder / ".metadata").write_bytes(b"")
    assert not only(folder).complete


def test_metadata_of_every_rank_alone_says_so(folder: Path) -> None:
    (folder / ".metadata").rename(folder / "__0.metadata")
    assert only(folder).why.startswith("`.metadata` missing: every rank wrote its own")


def test_each_part_of_a_folder_must_be_whole(saved: Path, tmp_path: Path) -> None:
    for part in ("pytorch_model_fsdp_0", "optimizer_0"):
        shutil.copytree(saved, tmp_path / "save_40" / part)
    folder = tmp_path / "save_40"
    (folder / "scheduler.pt").write_bytes(b"x")
    assert only(folder).complete
    assert len(only(folder).files) == 5
    (folder / "optimizer_0" / ".metadata").unlink()
    assert (only(folder).complete, only(folder).why) == (False, "`optimizer_0/.metadata` missing")


def test_leaves_out_what_is_not_content(folder: Path) -> None:
    for name in (".hidden", "x.tmp", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "y").write_bytes(b"x")
    assert only(folder).files == (".metadata", "__0_0.distcp", "notes.txt")


def test_finds_folders_by_step_and_leaves_out_the_rest(saved: Path, tmp_path: Path) -> None:
    for name in ("step-100", "step_20", "global_step3", "latest", "step-7.tmp", ".step-8", "model-00001-of-00002"):
        shutil.copytree(saved, tmp_path / name)
    (tmp_path / "current-9").symlink_to("step-100")
    (tmp_path / "step-5").mkdir()
    (tmp_path / "step-6").mkdir()
    (tmp_path / "step-6" / "model.safetensors").write_bytes(b"x")
    (tmp_path / "log-4").write_bytes(b"x")
    assert [candidate.step for candidate in find(tmp_path) if candidate.layout == "dcp"] == [3, 20, 100]


def test_a_watched_folder_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert find(tmp_path / "later") == []


def test_a_link_that_leads_out_is_torn(folder: Path) -> None:
    (folder / "__0_0.distcp").rename(folder.parent / "elsewhere")
    (folder / "__0_0.distcp").symlink_to("../elsewhere")
    assert only(folder).why == "`__0_0.distcp` is a link that leads out of the checkpoint"


def test_a_link_inside_is_followed(folder: Path) -> None:
    (folder / "__0_0.distcp").rename(folder / "data")
    (folder / "__0_0.distcp").symlink_to("data")
    assert only(folder).complete


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step-00000040", 40),
        ("step_40", 40),
        ("checkpoint-40", 40),
        ("global_step40", 40),
        ("iter_0000040", 40),
        ("epoch=3-step=40", 40),
        ("40", 40),
        ("step-0", 0),
        ("latest", None),
        ("step-40-final", None),
        ("model-00001-of-00003", None),
        ("step-٤٠", None),
        ("x" + "9" * 19, None),
    ],
)
def test_reads_the_step_at_the_end_of_a_name(name: str, step: int | None) -> None:
    assert step_of(name) == step
