"""What torch really writes is found, to the byte."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint._extension import ZStandard
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from replicator.formats import ParsedCheckpoint, TensorRange, parse
from replicator.formats.dcp_metadata import decode_metadata
from replicator.formats.dtypes import is_dtype_name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def flat(value: object, prefix: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: dict[str, torch.Tensor] = {}
    for key, inner in pairs:
        found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def read(folder: Path, tensor: TensorRange) -> torch.Tensor:
    with (folder / tensor.file).open("rb") as file:
        file.seek(tensor.offset)
        data = file.read(tensor.length)
    dtype = getattr(torch, tensor.dtype)
    if not data:
        return torch.empty(tensor.shape, dtype=dtype)
    elements = torch.frombuffer(bytearray(data), dtype=dtype)
    if tensor.strides is None:
        return elements.reshape(tensor.shape)
    return elements.as_strided(tensor.shape, tensor.strides)


def assert_same(parsed: ParsedCheckpoint, folder: Path, expected: dict[str, torch.Tensor]) -> None:
    assert parsed.notes == ()
    assert {tensor.name for tensor in parsed.tensors} == set(expected)
    for tensor in parsed.tensors:
        want = expected[tensor.name]
        assert tensor.shape == tuple(want.shape) == tensor.global_shape
        assert tensor.offsets == (0,) * want.dim()
        have = read(folder, tensor)
        assert have.dtype == want.dtype
        assert (
            have.contiguous().view(torch.uint8).equal(want.contiguous().view(torch.uint8))
            if want.dim()
            else have == want
        )


def test_finds_every_tensor_of_a_real_checkpoint(dcp_folder: Path, state: dict[str, object]) -> None:
    parsed = parse(dcp_folder, names(dcp_folder))
    extra = {tensor.name for tensor in parsed.tensors} & {"transposed", "channels_last"}
    assert extra == {"transposed", "channels_last"}
    kept = tuple(tensor for tensor in parsed.tensors if tensor.name not in extra)
    assert_same(ParsedCheckpoint(kept, parsed.notes), dcp_folder, flat(state))


def test_tells_the_strides_of_tensors_that_are_not_row_major(dcp_folder: Path) -> None:
    found = {tensor.name: tensor for tensor in parse(dcp_folder, names(dcp_folder)).tensors}
    assert (found["transposed"].shape, found["transposed"].strides) == ((6, 4), (1, 6))
    assert found["channels_last"].strides == (60, 1, 15, 3)
    want: dict[str, torch.Tensor] = {name: torch.empty(found[name].shape) for name in ("transposed", "channels_last")}
    torch.distributed.checkpoint.load(want, storage_reader=FileSystemReader(dcp_folder), no_dist=True)
    for name, tensor in want.items():
        assert read(dcp_folder, found[name]).equal(tensor)


def test_finds_byte_items_that_torch_can_load(dcp_folder: Path) -> None:
    items = {item.name: item for item in parse(dcp_folder, names(dcp_folder)).objects}
    assert {"step", "loader.cursor", "loader.mixed.1"} <= set(items)
    item = items["loader.cursor"]
    with (dcp_folder / item.file).open("rb") as file:
        file.seek(item.offset)
        assert torch.load(io.BytesIO(file.read(item.length)), weights_only=True) == "shard-9"


def test_agrees_with_torchs_own_reader_of_the_metadata(dcp_folder: Path) -> None:
    theirs = FileSystemReader(dcp_folder).read_metadata()
    ours = decode_metadata((dcp_folder / ".metadata").read_bytes())
    assert {
        (index.fqn, info.relative_path, info.offset, info.length) for index, info in theirs.storage_data.items()
    } == {(item.name, item.file, item.offset, item.length) for item in ours.items}
    tensors = {name for name, entry in theirs.state_dict_metadata.items() if isinstance(entry, TensorStorageMetadata)}
    assert {item.name for item in ours.items if item.piece is not None} == tensors


def test_finds_tensors_in_dcps_safetensors_serialization(
    dcp_safetensors_folder: Path, state: dict[str, object]
) -> None:
    expected = flat(state)
    del expected["expanded"]
    assert_same(parse(dcp_safetensors_folder, names(dcp_safetensors_folder)), dcp_safetensors_folder, expected)


def test_finds_tensors_spread_over_several_files_by_threads(tmp_path: Path, state: dict[str, object]) -> None:
    writer = FileSystemWriter(tmp_path, thread_count=3, single_file_per_rank=False, sync_files=False)
    torch.distributed.checkpoint.save(state, storage_writer=writer, no_dist=True)
    assert_same(parse(tmp_path, names(tmp_path)), tmp_path, flat(state))


def test_finds_two_checkpoints_in_folders_below(dcp_folder: Path, tmp_path: Path) -> None:
    for part in ("pytorch_model_fsdp_0", "optimizer_0"):
        shutil.copytree(dcp_folder, tmp_path / part)
    parsed = parse(tmp_path, names(tmp_path))
    once = parse(dcp_folder, names(dcp_folder))
    assert len(parsed.tensors) == 2 * len(once.tensors)
    assert {tensor.file.split("/")[0] for tensor in parsed.tensors} == {"pytorch_model_fsdp_0", "optimizer_0"}


def test_a_storage_file_that_is_cut_off_goes_opaque_from_where_it_ends(dcp_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(dcp_folder, folder)
    whole = parse(folder, names(folder))
    storage = folder / "__0_0.distcp"
    middle = storage.stat().st_size // 2
    with storage.open("r+b") as file:
        file.truncate(middle)
    parsed = parse(folder, names(folder))
    assert parsed.notes
    assert set(parsed.tensors) == {tensor for tensor in whole.tensors if tensor in parsed.tensors}
    assert all(tensor.offset + tensor.length <= middle for tensor in parsed.tensors)


def test_a_missing_storage_file_is_noted(dcp_folder: Path) -> None:
    parsed = parse(dcp_folder, [".metadata"])
    assert parsed.tensors == ()
    assert parsed.notes == ("`.metadata` names `__0_0.distcp`, which is not part of the checkpoint",)


def test_knows_every_dtype_that_torch_has() -> None:
    dtypes = {name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}
    assert {name for name in dtypes if not is_dtype_name(name)} == set()


def test_items_compressed_by_torch_stay_opaque(tmp_path: Path) -> None:
    writer = FileSystemWriter(tmp_path, sync_files=False, _extensions=[ZStandard()])
    torch.distributed.checkpoint.save({"x": torch.ones(4)}, storage_writer=writer, no_dist=True)
    parsed = parse(tmp_path, names(tmp_path))
    assert parsed.tensors == ()
    assert parsed.notes == ("`__0_0.distcp`: 'x': its bytes went through a stream extension",)
