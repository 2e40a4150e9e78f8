"""A mutated or hostile DCP folder never raises, never leads out of the folder, never gives a wrong range."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from replicator.formats import ParsedCheckpoint, parse
from replicator.formats.dcp_metadata import decode_metadata, read_metadata
from replicator.formats.errors import ArchiveInvalid, FormatError, PathRefused, SourceUnreadable, UnknownClass
from replicator.formats.source import check_relative, open_source
from replicator.formats.torch_archive import find_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = (".metadata", "__0_0.distcp")


def tensor_metadata(size: tuple[int, ...], *chunks: tuple[tuple[int, ...], tuple[int, ...]]) -> TensorStorageMetadata:
    parts = [ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)) for offsets, sizes in chunks]
    return TensorStorageMetadata(TensorProperties(torch.float32), torch.Size(size), parts)


def metadata(entries: dict[str, object], storage: dict[MetadataIndex, object]) -> bytes:
    return pickle.dumps(Metadata(entries, storage_data=storage))


def one_tensor(path: str, offset: int, length: int) -> bytes:
    index = MetadataIndex("w", (0,))
    return metadata({"w": tensor_metadata((4,), ((0,), (4,)))}, {index: _StorageInfo(path, offset, length)})


def archive(tensor: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    return buffer.getvalue()


def write(folder: Path, raw_metadata: bytes, storage: bytes) -> ParsedCheckpoint:
    folder.mkdir(exist_ok=True)
    (folder / ".metadata").write_bytes(raw_metadata)
    (folder / "__0_0.distcp").write_bytes(storage)
    return parse(folder, FILES)


def assert_sound(parsed: ParsedCheckpoint, folder: Path) -> None:
    ends: dict[str, int] = {}
    for tensor in parsed.tensors:
        size = (folder / tensor.file).stat().st_size
        assert ends.get(tensor.file, 0) <= tensor.offset <= tensor.offset + tensor.length <= size
        ends[tensor.file] = tensor.offset + tensor.length


def mutate(data: st.DataObject, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        match data.draw(st.sampled_from(["set", "insert", "delete", "cut"])):
            case "set" if changed:
                changed[at] = data.draw(st.integers(0, 255))
            case "insert":
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
            case "delete":
                del changed[at : at + data.draw(st.integers(1, 9))]
            case _:
                del changed[max(at, 1) :]
    return bytes(changed)


@pytest.fixture(scope="module")
def scratch(dcp_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutated") / "step-1"
    shutil.copytree(dcp_folder, folder)
    return folder


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_mutated_metadata_raises_only_what_is_documented(
    dcp_folder: Path, scratch: Path, data: st.DataObject
) -> None:
    raw = mutate(data, (dcp_folder / ".metadata").read_bytes())
    try:
        decoded = decode_metadata(raw)
    except FormatError:
        decoded = None
    (scratch / ".metadata").write_bytes(raw)
    parsed = parse(scratch, FILES)
    assert_sound(parsed, scratch)
    assert decoded is not None or parsed.notes


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_mutated_storage_file_gives_sound_ranges(dcp_folder: Path, scratch: Path, data: st.DataObject) -> None:
    shutil.copyfile(dcp_folder / ".metadata", scratch / ".metadata")
    (scratch / "__0_0.distcp").write_bytes(mutate(data, (dcp_folder / "__0_0.distcp").read_bytes()))
    assert_sound(parse(scratch, FILES), scratch)
    shutil.copyfile(dcp_folder / "__0_0.distcp", scratch / "__0_0.distcp")


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_mutated_archive_raises_only_what_is_documented(tmp_path: Path, data: st.DataObject) -> None:
    raw = mutate(data, archive(torch.arange(6.0).reshape(2, 3)))
    (tmp_path / "x").write_bytes(raw)
    with open_source(tmp_path, "x") as source:
        try:
            found = find_tensor(source.window(0, len(raw), budget_bytes=1 << 20))
        except FormatError:
            return
    assert 0 <= found.offset <= found.offset + found.length <= len(raw)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "", ".", "..", "a//b", "a/./b", "a\\b", "a\x00b", "a/"]
)
def test_refuses_a_path_that_could_lead_out(path: str) -> None:
    with pytest.raises(PathRefused):
        decode_metadata(one_tensor(path, 0, 8))


@pytest.mark.parametrize("path", ["__0_0.distcp", "sub/__0_0.distcp", "schritt 40/größe.safetensors"])
def test_accepts_a_plain_path(path: str) -> None:
    assert check_relative(path) == path


def test_a_link_that_leads_out_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(archive(torch.ones(4)))
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / "__0_0.distcp").symlink_to("../secret")
    (folder / ".metadata").write_bytes(one_tensor("__0_0.distcp", 0, (tmp_path / "secret").stat().st_size))
    parsed = parse(folder, FILES)
    assert parsed.tensors == ()
    assert "leads out" in parsed.notes[0]


def test_a_pipe_does_not_block_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".metadata")
    assert "not a regular file" in parse(tmp_path, [".metadata"]).notes[0]


def test_an_unknown_class_is_named_in_the_note(tmp_path: Path) -> None:
    raw = pickle.dumps(Metadata({}, planner_data=Path.stat, storage_data={}))
    with pytest.raises(UnknownClass):
        decode_metadata(raw)
    parsed = write(tmp_path, raw, b"")
    assert parsed.notes == ("`.metadata`: the pickle names pathlib.Path.stat, which is not on the list",)


def test_a_metadata_above_the_limit_is_not_read(dcp_folder: Path) -> None:
    with open_source(dcp_folder, ".metadata") as source, pytest.raises(SourceUnreadable):
        read_metadata(source, limit_bytes=100)


BODY = archive(torch.ones(4))
SAME = _StorageInfo("__0_0.distcp", 0, len(BODY))
WHOLE = tensor_metadata((4,), ((0,), (4,)))
LIES: dict[str, Callable[[], bytes]] = {
    "a range past the end": lambda: one_tensor("__0_0.distcp", 0, len(BODY) + 1),
    "a negative offset": lambda: one_tensor("__0_0.distcp", -1, len(BODY)),
    "an offset beyond 64 bits": lambda: one_tensor("__0_0.distcp", 2**64, 4),
    "a shape that is not stored": lambda: metadata(
        {"w": tensor_metadata((5,), ((0,), (5,)))}, {MetadataIndex("w", (0,)): SAME}
    ),
    "two names for one range": lambda: metadata(
        {"w": WHOLE, "v": WHOLE}, {MetadataIndex("w", (0,)): SAME, MetadataIndex("v", (0,)): SAME}
    ),
    "a name that the state dict lacks": lambda: metadata({}, {MetadataIndex("w", (0,)): SAME}),
    "an offset without a chunk": lambda: metadata({"w": WHOLE}, {MetadataIndex("w", (1,)): SAME}),
    "a chunk outside its tensor": lambda: metadata(
        {"w": tensor_metadata((4,), ((1,), (4,)))}, {MetadataIndex("w", (1,)): SAME}
    ),
    "a chunk of other dimensions": lambda: metadata({"w": tensor_metadata((4,), ((0, 0), (2, 2)))}, {}),
    "no storage data": lambda: pickle.dumps(Metadata({"w": WHOLE})),
    "no metadata at all": lambda: pickle.dumps({"w": 1}),
    "a path that is no text": lambda: metadata({"w": WHOLE}, {MetadataIndex("w", (0,)): _StorageInfo(7, 0, 4)}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("lie", LIES)
def test_a_metadata_that_lies_gives_no_tensor(lie: str, tmp_path: Path) -> None:
    parsed = write(tmp_path, LIES[lie](), BODY)
    assert parsed.tensors == ()
    assert parsed.notes


@pytest.mark.slow
def test_one_list_of_chunks_for_many_tensors_is_refused(tmp_path: Path) -> None:
    shared = tensor_metadata((4000,), *(((i,), (1,)) for i in range(4000)))
    parsed = write(tmp_path, metadata({f"w{i}": shared for i in range(5_000)}, {}), b"")
    assert parsed.notes == ("`.metadata`: one list of chunks serves for many tensors",)


def repacked(change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(BODY)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            change(new, zipfile.ZipInfo(info.filename), old.read(info))
    return out.getvalue()


def stored(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
    new.writestr(info, data)


def deflated(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
    new.writestr(info, data, zipfile.ZIP_DEFLATED if info.filename.endswith("data/0") else zipfile.ZIP_STORED)


def big_endian(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
    new.writestr(info, b"big" if info.filename.endswith("byteorder") else data)


def too_short(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
    new.writestr(info, data[:-1] if info.filename.endswith("data/0") else data)


def without_data(new: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
    if not info.filename.endswith("data/0"):
        new.writestr(info, data)


def test_an_archive_that_another_writer_stored_is_read(tmp_path: Path) -> None:
    raw = repacked(stored)
    parsed = write(tmp_path, one_tensor("__0_0.distcp", 0, len(raw)), raw)
    (tensor,) = parsed.tensors
    assert raw[tensor.offset : tensor.offset + tensor.length] == torch.ones(4).numpy().tobytes()


@pytest.mark.parametrize("change", [deflated, big_endian, too_short, without_data])
def test_an_archive_that_is_not_plain_gives_no_tensor(change: Callable[..., None], tmp_path: Path) -> None:
    raw = repacked(change)
    parsed = write(tmp_path, one_tensor("__0_0.distcp", 0, len(raw)), raw)
    assert parsed.tensors == ()
    assert parsed.notes


@pytest.mark.parametrize(
    "value",
    [
        {"not": "a tensor"},
        torch.ones(4, dtype=torch.float64),
        torch.ones(4, dtype=torch.int32),
        torch.ones(2, 2),
        torch.ones(2).expand(4, 2)[:, 0],
        torch.ones(8)[::2],
        torch.ones(4).to_sparse(),
        torch.ones(4, dtype=torch.complex64).conj(),
    ],
    ids=str,
)
def test_an_item_that_is_no_dense_tensor_of_the_said_kind_gives_no_tensor(value: object, tmp_path: Path) -> None:
    raw = archive(value)  # type: ignore[arg-type]
    parsed = write(tmp_path, one_tensor("__0_0.distcp", 0, len(raw)), raw)
    assert parsed.tensors == ()
    assert parsed.notes


def test_a_conjugate_view_is_refused_whatever_the_metadata_says(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(archive(torch.ones(4, dtype=torch.complex64).conj()))
    with open_source(tmp_path, "x") as source, pytest.raises(ArchiveInvalid, match="conjugate"):
        find_tensor(source.window(0, source.size_bytes, budget_bytes=1 << 20))


def test_a_byte_item_is_not_taken_for_a_tensor(tmp_path: Path) -> None:
    raw = metadata({"w": BytesStorageMetadata()}, {MetadataIndex("w"): SAME})
    parsed = write(tmp_path, raw, BODY)
    assert parsed.tensors == ()
    assert [item.name for item in parsed.objects] == ["w"]
