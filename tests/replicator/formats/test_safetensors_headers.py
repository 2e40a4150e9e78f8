"""safetensors: what the library writes is found; what breaks the format's rules is opaque."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from replicator.formats import parse
from replicator.formats.errors import FormatError
from replicator.formats.safetensors import read_header
from replicator.formats.source import open_source

if TYPE_CHECKING:
    from pathlib import Path

TENSORS = {
    "weight": torch.randn(5, 3),
    "half": torch.randn(7).bfloat16(),
    "fp8": torch.randn(3, 5).to(torch.float8_e5m2),
    "empty": torch.empty(0, 9),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "ids": torch.arange(4),
    "ünïcode": torch.zeros(1, dtype=torch.uint8),
}


def write(path: Path, header: object, body: bytes = b"") -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)


def test_finds_what_the_library_wrote(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    save_file({"weight": TENSORS["ids"]}, tmp_path / "b.safetensors")
    (tmp_path / "config.json").write_text("{}")
    parsed = parse(tmp_path, ["a.safetensors", "b.safetensors", "config.json"])
    assert parsed.notes == ()
    assert {(tensor.file, tensor.name) for tensor in parsed.tensors} == {
        *(("a.safetensors", name) for name in TENSORS),
        ("b.safetensors", "weight"),
    }
    data = (tmp_path / "a.safetensors").read_bytes()
    for tensor in parsed.tensors[: len(TENSORS)]:
        want = TENSORS[tensor.name]
        assert (f"torch.{tensor.dtype}", tensor.shape) == (str(want.dtype), tuple(want.shape))
        have = data[tensor.offset : tensor.offset + tensor.length]
        assert have == want.reshape(-1).view(torch.uint8).numpy().tobytes()


def test_parses_a_single_file_by_its_own_path(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "step-40.safetensors")
    assert len(parse(tmp_path / "step-40.safetensors", ["step-40.safetensors"]).tensors) == len(TENSORS)


def test_takes_shard_offsets_from_torchs_hugging_face_writer(tmp_path: Path) -> None:
    said = {"weight": {"saved_offsets": [5, 0]}, "half": {"saved_offsets": [1, 2, 3]}, "other": {"saved_offsets": [0]}}
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"DCP_SHARDING_INFO": json.dumps(said)})
    offsets = {tensor.name: tensor.offsets for tensor in parse(tmp_path, ["a.safetensors"]).tensors}
    assert offsets == dict.fromkeys(TENSORS) | {"weight": (5, 0)}


def entry(begin: int, end: int, **other: object) -> dict[str, object]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]} | other


BROKEN: dict[str, tuple[Any, bytes]] = {
    "an overlap": ({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)),
    "a gap": ({"a": entry(0, 4), "b": entry(5, 6)}, bytes(6)),
    "a body that is too short": ({"a": entry(0, 4)}, bytes(3)),
    "a body that is too long": ({"a": entry(0, 4)}, bytes(5)),
    "a shape that does not fit": ({"a": entry(0, 4, shape=[5])}, bytes(4)),
    "a negative size": ({"a": entry(0, 4, shape=[-2, -2])}, bytes(4)),
    "offsets in the wrong order": ({"a": entry(4, 0, shape=[4])}, bytes(4)),
    "a fraction": ({"a": entry(0, 4, shape=[4.0])}, bytes(4)),
    "an unknown field": ({"a": entry(0, 4, more=1)}, bytes(4)),
    "a name twice": (b'{"a":%(one)b,"a":%(one)b}' % {b"one": b'{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'}, b"0"),
    "no object": (b"[]", b""),
    "no JSON": (b"{", b""),
    "a nest too deep": (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b""),
    "an integer of many digits": (b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}', b"0"),
    "no Unicode": (b'{"\xff":{}}', b""),
    "half a character": (b'{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"0"),
    "a size beyond any file": ({"a": entry(0, 2**63, shape=[2**63])}, b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_leaves_opaque(name: str, tmp_path: Path) -> None:
    write(tmp_path / "x.safetensors", *BROKEN[name])
    parsed = parse(tmp_path, ["x.safetensors"])
    assert parsed.tensors == ()
    assert len(parsed.notes) == 1


def test_refuses_a_header_that_claims_to_be_huge(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes((2**60).to_bytes(8, "little") + b"{}")
    assert parse(tmp_path, ["x.safetensors"]).notes == (f"`x.safetensors`: `x.safetensors`: a header of {2**60} bytes",)


def test_a_file_of_a_hundred_gigabytes_is_parsed_by_its_header(tmp_path: Path) -> None:
    size = 100 << 30
    write(tmp_path / "x.safetensors", {"a": entry(0, size)})
    start = (tmp_path / "x.safetensors").stat().st_size
    os.truncate(tmp_path / "x.safetensors", start + size)
    (tensor,) = parse(tmp_path, ["x.safetensors"]).tensors
    assert (tensor.offset, tensor.length) == (start, size)


def test_elements_without_whole_bytes_stay_opaque_and_take_no_other_with_them(tmp_path: Path) -> None:
    write(tmp_path / "x.safetensors", {"a": entry(0, 4), "b": entry(4, 6, dtype="F4", shape=[4])}, bytes(6))
    parsed = parse(tmp_path, ["x.safetensors"])
    assert [tensor.name for tensor in parsed.tensors] == ["a"]
    assert parsed.notes == ("`x.safetensors`: 'b': elements of F4 have no byte length of their own",)


@settings(deadline=None)
@given(st.data())
def test_a_mutated_file_gives_sound_ranges_or_a_note(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated-safetensors"
    folder.mkdir(exist_ok=True)
    path = folder / "x.safetensors"
    save_file(TENSORS, path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    path.write_bytes(raw)
    parsed = parse(folder, ["x.safetensors"])
    end = 0
    for tensor in parsed.tensors:
        assert end <= tensor.offset <= tensor.offset + tensor.length <= len(raw)
        end = tensor.offset + tensor.length


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_random_bytes_raise_only_what_is_documented(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, claimed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.safetensors"
    for raw in (data, claimed.to_bytes(8, "little") + data, claimed.to_bytes(8, "little") + b"{" + data):
        path.write_bytes(raw)
        with open_source(path.parent, path.name) as source:
            try:
                assert read_header(source).total_bytes >= 8
            except FormatError:
                continue
