"""Which checkpoint is resumed, which are pruned, and that a removal never leaves a damaged one."""

import os
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.checkpoint import FileSystemWriter, save

from examples.train.errors import FolderBusy, ResumeRefused
from examples.train.folder import Found, choose, fault_of, folder_of, hold, remove, surplus, survey

folders = st.dictionaries(st.integers(1, 30), st.booleans(), max_size=8).map(
    lambda found: [
        Found(step, Path(str(step)), None if found[step] else "torn") for step in sorted(found, reverse=True)
    ]
)


def write(root: Path, step: int) -> Path:
    folder = folder_of(root, step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save({"tensor": torch.arange(100.0)}, storage_writer=FileSystemWriter(folder), no_dist=True)
    return folder


def test_a_saved_folder_is_complete(tmp_path):
    assert fault_of(write(tmp_path, 7)) is None


def test_a_folder_is_incomplete_at_every_point_before_metadata_is_in_place(tmp_path):
    folder = write(tmp_path, 7)
    (folder / ".metadata").rename(folder / ".metadata.tmp")
    assert fault_of(folder) == "no .metadata"


def test_a_shorter_or_missing_file_makes_it_incomplete(tmp_path):
    folder = write(tmp_path, 7)
    data = folder / "__0_0.distcp"
    size = data.stat().st_size
    os.truncate(data, size - 1)
    assert fault_of(folder) == f"__0_0.distcp has {size - 1} bytes of {size}"
    data.unlink()
    assert fault_of(folder) == "__0_0.distcp is missing"


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 300])
def test_a_torn_metadata_makes_it_incomplete(tmp_path, kept):
    folder = write(tmp_path, 7)
    os.truncate(folder / ".metadata", kept)
    assert fault_of(folder).startswith(".metadata cannot be read")


def test_only_step_folders_are_surveyed_newest_first(tmp_path):
    for step in (2, 10, 9):
        write(tmp_path, step)
    (tmp_path / "step-11").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "step-00000099").write_text("a file")
    folder_of(tmp_path, 12).mkdir()
    assert [(found.step, found.fault) for found in survey(tmp_path)] == [
        (12, "no .metadata"),
        (10, None),
        (9, None),
        (2, None),
    ]
    assert list(survey(tmp_path / "absent")) == []


@given(folders)
def test_resumes_the_newest_complete_and_names_the_incomplete_above_it(found):
    chosen, passed = choose(found, None)
    complete = [checkpoint.step for checkpoint in found if checkpoint.fault is None]
    assert (chosen.step if chosen else None) == max(complete, default=None)
    assert passed == [checkpoint for checkpoint in found if not chosen or checkpoint.step > chosen.step]


@given(folders, st.integers(1, 30))
def test_a_required_step_is_resumed_complete_or_refused(found, required):
    wanted = [checkpoint for checkpoint in found if checkpoint.step == required and checkpoint.fault is None]
    if wanted:
        assert choose(found, required) == (wanted[0], [])
    else:
        with pytest.raises(ResumeRefused, match=f"step {required} is required"):
            choose(found, required)


@given(folders, st.integers(0, 5))
def test_pruning_keeps_the_newest_complete_and_every_incomplete(found, keep):
    gone = [checkpoint.step for checkpoint in surplus(found, keep)]
    complete = [checkpoint.step for checkpoint in found if checkpoint.fault is None]
    assert gone == sorted(gone)
    assert set(gone) <= set(complete)
    assert len(complete) - len(gone) == (min(keep, len(complete)) if keep else len(complete))
    assert not gone or max(gone) < min(set(complete) - set(gone))


def test_an_interrupted_removal_leaves_an_incomplete_folder(tmp_path, monkeypatch):
    folder = write(tmp_path, 7)
    monkeypatch.setattr("shutil.rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        remove(folder)
    assert fault_of(folder) == "no .metadata"
    monkeypatch.undo()
    remove(folder)
    assert not folder.exists()
    remove(folder)


def test_a_folder_has_one_writer(tmp_path):
    held = hold(tmp_path / "made")
    with pytest.raises(FolderBusy, match="another run writes to"):
        hold(tmp_path / "made", patience_s=0.0)
    os.close(held)
    os.close(hold(tmp_path / "made", patience_s=0.0))
