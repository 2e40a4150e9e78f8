"""Whole files of `torch.save`: every plain tensor is found by name, and what is strange stays bytes."""

from __future__ import annotations

import argparse
import io
import pickle
import random
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from replicator.formats import parse
from replicator.formats.tensors import ParsedCheckpoint


def saved(tmp_path, value, name="model.pt", **options) -> ParsedCheckpoint:
    torch.save(value, tmp_path / name, **options)
    return parse(tmp_path, [name])


def raw(tmp_path, tensor):
    with (tmp_path / tensor.file).open("rb") as file:
        file.seek(tensor.offset)
        return file.read(tensor.length)


def bytes_of(tensor):
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def trained():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(4, 8)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_model_and_optimizer_of_a_training_checkpoint_are_found_by_name(tmp_path):
    model, optimizer = trained()
    value = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 3, "args": argparse.Namespace(lr=1),
        "rng": {"torch": torch.get_rng_state(), "numpy": np.random.default_rng(1).bytes(8), "python": random.getstate()},
    }  # fmt: skip
    parsed = saved(tmp_path, value)
    assert parsed.notes == ()
    by_name = {tensor.name: tensor for tensor in parsed.tensors}
    for name, tensor in model.state_dict().items():
        found = by_name[f"model.{name}"]
        assert (found.shape, found.dtype) == (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        assert raw(tmp_path, found) == bytes_of(tensor)
    moments = optimizer.state_dict()["state"][0]["exp_avg_sq"]
    assert raw(tmp_path, by_name["optimizer.state.0.exp_avg_sq"]) == bytes_of(moments)
    assert raw(tmp_path, by_name["rng.torch"]) == bytes_of(torch.get_rng_state())


DTYPES = [
    torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_of_whole_bytes_is_found(tmp_path, dtype):
    tensor = torch.arange(6).to(dtype)
    (found,) = saved(tmp_path, {"w": tensor}).tensors
    assert found.dtype == str(dtype).removeprefix("torch.")
    assert raw(tmp_path, found) == bytes_of(tensor)


def test_zero_size_and_zero_dimensions(tmp_path):
    parsed = saved(tmp_path, {"none": torch.zeros(0, 3), "one": torch.tensor(2.5)})
    assert {t.name: (t.shape, t.length) for t in parsed.tensors} == {"none": ((0, 3), 0), "one": ((), 4)}


def test_tensors_that_are_the_same_share_one_range(tmp_path):
    weight = torch.randn(4, 4)
    parsed = saved(tmp_path, {"embedding": weight, "head": weight})
    assert [tensor.name for tensor in parsed.tensors] == ["embedding"]


def test_neighbours_in_one_storage_stay_apart(tmp_path):
    flat = torch.randn(100)
    parsed = saved(tmp_path, {"a": flat[:40], "b": flat[40:]})
    assert {t.name: raw(tmp_path, t) for t in parsed.tensors} == {"a": bytes_of(flat[:40]), "b": bytes_of(flat[40:])}


@pytest.mark.parametrize("second", [lambda flat: flat[30:], lambda flat: flat[::2]])
def test_tensors_that_overlap_are_their_storage(tmp_path, second):
    flat = torch.randn(100)
    (found,) = saved(tmp_path, {"a": flat[:40], "b": second(flat)}).tensors
    assert (found.shape, raw(tmp_path, found)) == ((100,), bytes_of(flat))


def test_what_is_no_plain_tensor_is_an_item_of_bytes(tmp_path):
    quantised = torch.quantize_per_tensor(torch.randn(64), 0.1, 0, torch.qint8)
    parsed = saved(tmp_path, {"q": quantised, "w": torch.ones(4)})
    assert [tensor.name for tensor in parsed.tensors] == ["w"]
    assert [item.length for item in parsed.objects] == [64]
    assert "no plain tensor" in parsed.notes[0]


def test_the_format_of_old_is_taken_as_it_is_and_said(tmp_path):
    parsed = saved(tmp_path, {"w": torch.ones(4)}, _use_new_zipfile_serialization=False)
    assert parsed.tensors == ()
    assert "before 1.6" in parsed.notes[0]


def test_a_tar_of_old_is_taken_as_it_is_and_said(tmp_path):
    with tarfile.open(tmp_path / "model.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    assert "tar archive" in parse(tmp_path, ["model.pth"]).notes[0]


def test_archives_of_others_are_none_of_ours(tmp_path):
    np.savez(tmp_path / "data.npz", a=np.ones(3))
    assert parse(tmp_path, ["data.npz"]) == ParsedCheckpoint((), ())


class Evil:
    def __reduce__(self):
        return print, ("it was called",)


def archive(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as made:
        for name, body in entries.items():
            made.writestr(name, body)


def test_a_pickle_that_names_a_call_is_read_and_calls_nothing(tmp_path, capsys):
    parsed = saved(tmp_path, {"evil": Evil(), "w": torch.ones(4)})
    assert [tensor.name for tensor in parsed.tensors] == ["w"]
    assert capsys.readouterr().out == ""


def test_a_compressed_pickle_may_be_a_bomb_and_stays_shut(tmp_path):
    archive(tmp_path / "a.pt", {"a/data.pkl": b"]" * (1 << 24)}, compression=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "a.pt").stat().st_size < 1 << 20
    assert "compressed" in parse(tmp_path, ["a.pt"]).notes[0]


def test_a_pickle_that_wants_memory_is_refused_and_storages_are_still_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("replicator.formats.torch_file.MAX_OBJECTS", 10_000)
    archive(tmp_path / "a.pt", {"a/data.pkl": b"\x80\x02" + b"]" * 20_000 + b".", "a/data/0": b"x" * 100})
    parsed = parse(tmp_path, ["a.pt"])
    assert "more objects" in parsed.notes[0]
    assert [item.length for item in parsed.objects] == [100]


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_deep_nesting_is_no_recursion(tmp_path, depth):
    body = b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."
    archive(tmp_path / "a.pt", {"a/data.pkl": body})
    assert parse(tmp_path, ["a.pt"]).tensors == ()


def test_a_list_that_holds_itself_ends(tmp_path):
    value = [torch.ones(3)]
    value.append(value)
    assert [tensor.name for tensor in saved(tmp_path, value).tensors] == ["0"]


def test_two_entries_of_one_name_and_entries_that_overlap_are_refused(tmp_path):
    torch.save({"w": torch.ones(400)}, tmp_path / "a.pt")
    whole = bytearray((tmp_path / "a.pt").read_bytes())
    start = whole.index(b"PK\x01\x02")
    entry = whole.index(b"PK\x01\x02", whole.index(b"data/0", start) - 60)
    whole[entry + 42 : entry + 46] = (1 << 20).to_bytes(4, "little")
    (tmp_path / "b.pt").write_bytes(whole)
    parsed = parse(tmp_path, ["b.pt"])
    assert parsed.tensors == ()
    assert parsed.notes


@pytest.mark.parametrize("keep", [0, 3, 30, 500, -1, -30])
def test_a_file_that_ends_early_is_taken_as_it_is(tmp_path, keep):
    torch.save({"w": torch.ones(400)}, tmp_path / "a.pt")
    body = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(body[:keep])
    assert parse(tmp_path, ["a.pt"]).tensors == ()


def test_plain_pickles_are_opaque(tmp_path):
    (tmp_path / "scheduler.pt").write_bytes(pickle.dumps({"lr": 1}))
    assert parse(tmp_path, ["scheduler.pt"]) == ParsedCheckpoint((), ())


def test_a_bare_tensor_has_a_name(tmp_path):
    (found,) = saved(tmp_path, torch.ones(5)).tensors
    assert found.name == "tensor"


def test_many_tensors_are_read_within_bounds(tmp_path):
    parsed = saved(tmp_path, {f"w{n}": torch.tensor([n]) for n in range(3000)})
    assert len(parsed.tensors) == 3000
