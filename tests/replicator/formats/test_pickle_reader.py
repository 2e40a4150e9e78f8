"""The restricted reader builds values and does nothing else, whatever the pickle says."""

from __future__ import annotations

import collections
import os
import pickle
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.formats.dcp_classes import allowed_in_metadata
from replicator.formats.errors import PickleRefused, UnknownClass
from replicator.formats.pickle_machine import Record, Symbol
from replicator.formats.pickle_reader import read_pickle

if TYPE_CHECKING:
    from pathlib import Path

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=300)
KEYS = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=30,
)


def anything(_: Symbol) -> bool:
    return True


@settings(deadline=None)
@given(VALUES, st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_reads_plain_values_as_pickle_does(value: object, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol), allowed_in_metadata) == value


class Call:
    def __init__(self, function: object, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("function", [os.system, subprocess.call, eval, getattr, __import__, exec, open])
def test_names_the_class_that_it_refuses(function: object, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with pytest.raises(UnknownClass) as caught:
        read_pickle(pickle.dumps(Call(function, f"touch {marker}")), allowed_in_metadata)
    assert caught.value.name == function.__name__
    assert f"{caught.value.module}.{caught.value.name}" in str(caught.value)
    assert not marker.exists()


def test_calls_nothing_even_where_everything_is_allowed(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    found = read_pickle(pickle.dumps(Call(os.system, f"touch {marker}")), anything)
    assert isinstance(found, Record)
    assert (found.symbol.name, found.args) == ("system", (f"touch {marker}",))
    assert not marker.exists()


def test_an_ordered_dict_is_read_as_a_dict() -> None:
    value = collections.OrderedDict(a=1, b=[2])
    assert read_pickle(pickle.dumps(value), allowed_in_metadata) == {"a": 1, "b": [2]}


HOSTILE = {
    "a nested tuple as a key, which crashes pickle.Unpickler": b"\x80\x04})" + b"\x85" * 1_000_000 + b"Ns.",
    "a memo index that would need gigabytes": b"\x80\x04Nr\xff\xff\xff\xff.0",
    "text longer than the pickle": b"\x80\x04X\xff\xff\xff\x7fabc.",
    "bytes longer than the pickle": b"\x80\x04B\xff\xff\xff\x7fabc.",
    "an endless nest of marks": b"\x80\x04" + b"(" * 1_000_000 + b".",
    "a nest of marks that ends": b"\x80\x04" + b"(" * 1000 + b"t" * 1000 + b".",
    "a persistent id without an argument": b"\x80\x04Q.",
    "a call of a string": b"\x80\x04X\x01\x00\x00\x00a)R.",
    "a state for a list": b"\x80\x04]}b.",
    "an append to a dict": b"\x80\x04}Na.",
    "a key without a value": b"\x80\x04}(Nu.",
    "an unknown memo": b"\x80\x04h\x05.",
    "an extension": b"\x80\x02\x82\x01.",
    "a text-mode integer": b"I12\n.",
    "a text-mode global": b"cos\nsystem\n(S'true'\ntR.",
    "a frozen set": b"\x80\x04(\x91.",
    "an out-of-band buffer": b"\x80\x05\x97.",
    "a bytearray": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "nothing": b"",
    "no end": b"\x80\x04N",
}


@pytest.mark.parametrize("name", [name for name in HOSTILE if "memo index" not in name])
def test_refuses(name: str) -> None:
    with pytest.raises(PickleRefused):
        read_pickle(HOSTILE[name], allowed_in_metadata)


def test_a_huge_memo_index_costs_nothing() -> None:
    assert read_pickle(HOSTILE["a memo index that would need gigabytes"], allowed_in_metadata) is None


def test_a_deep_nest_that_is_no_key_is_harmless() -> None:
    value = read_pickle(b"\x80\x04)" + b"\x85" * 300_000 + b".", allowed_in_metadata)
    assert isinstance(value, tuple)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    for start in (b"", b"\x80\x04", b"\x80\x04]("):
        try:
            read_pickle(start + data, anything)
        except PickleRefused:
            continue


def test_reads_a_large_pickle_at_megabytes_a_second() -> None:
    value = {f"layer.{i}.weight": (("model", i), [i, i + 1], {"offset": i * 1_000}) for i in range(20_000)}
    data = pickle.dumps(value)
    started = time.perf_counter()
    assert read_pickle(data, allowed_in_metadata) == value
    assert len(data) / (time.perf_counter() - started) > 500_000
